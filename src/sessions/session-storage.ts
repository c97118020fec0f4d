import { grantIDOf } from './session'
import { grantKey } from '../grants/grants'
import type { RedisClient } from '../store/redis-client'
import { RedisLink } from '../store/redis-link'
import { redisKey } from '../store/redis-token-store'
import type { TokenStore } from '../store/token-store'

/** A session and the grant it carries, as they stand in the store. */
export interface SessionRecord {
  session: string | undefined
  /** The sealed grant; undefined also when the session carries none. */
  grant: string | undefined
  /** When they were last extended, in milliseconds since the epoch; 0 for not yet. */
  extendedAt: number
}

/** A grant as it was read, and as it is to be stored now that it is used. */
export interface ReadGrant {
  readonly id: string
  readonly sealed: string
  readonly used: string
  /** Milliseconds that it is to live from now; undefined to leave its expiry unchanged. */
  readonly ttl: number | undefined
}

/** Where the drop-in keeps its sessions. The session id tells the grant that belongs to it. */
export interface SessionRecords {
  /** Both values at once. */
  read(id: string, grantID: string | undefined): Promise<SessionRecord>
  /**
   * Writes a session.
   *
   * @param extendedAt when it was last extended, as it was read
   * @param ttl milliseconds; undefined for one that must exist, and is to live as long as it would
   * @param mustExist do not bring back one that has been deleted meanwhile
   * @returns for a new session the sealed grant that it carries, as it is once the session is written
   */
  write(
    id: string,
    session: string,
    extendedAt: number,
    ttl: number | undefined,
    mustExist: boolean,
  ): Promise<string | undefined>
  /**
   * Lets a session live `ttl` milliseconds from now, and records when that was done. The grant, if given, is replaced by its
   * used one and extended too, but only while the store holds exactly the value that was read: `keep()` may have given it a longer life since.
   *
   * @returns false when the grant was not extended, because it has changed or is gone
   */
  extend(id: string, ttl: number, grant?: ReadGrant): Promise<boolean>
  delete(id: string): Promise<void>
}

function sessionKey(id: string): string {
  return `sess:${id}`
}

const stampLength = 8

/**
 * A session's value begins with the second in which it was last extended. Every process that reads it sees that, so that
 * one of them extends it, and not each.
 */
function stampOf(extendedAt: number): string {
  return `t${Math.floor(extendedAt / 1000)
    .toString(36)
    .padStart(stampLength - 1, '0')}`
}

function recordOf(value: string | null | undefined, grant: string | null | undefined): SessionRecord {
  const isStamped = /^t[0-9a-z]{7}/.test(value ?? '')
  return {
    session: (isStamped ? value?.slice(stampLength) : value) ?? undefined,
    grant: grant ?? undefined,
    extendedAt: isStamped ? parseInt(value?.slice(1, stampLength) ?? '', 36) * 1000 : 0,
  }
}

/** Sessions in any token store. */
export function storedSessions(store: TokenStore): SessionRecords {
  const stamped = (value: string) => stampOf(Date.now()) + (recordOf(value, null).session ?? '')
  return {
    async read(id, grantID) {
      const grant = grantID === undefined ? undefined : store.get(grantKey(grantID))
      const [session, sealed] = await Promise.all([store.get(sessionKey(id)), grant])
      return recordOf(session, sealed)
    },
    async write(id, session, extendedAt, ttl, mustExist) {
      const grantID = mustExist ? undefined : grantIDOf(id)
      const key = sessionKey(id)
      const value = stampOf(extendedAt) + session
      // Sessions have no versions: of two writers the last one wins, as everywhere with express-session.
      for (;;) {
        const current = await store.get(key)
        if (current === undefined && mustExist) return undefined
        const isWritten =
          current === undefined
            ? await store.create(key, value, ttl as number)
            : await store.replace(key, current, value, ttl)
        if (isWritten) return grantID === undefined ? undefined : store.get(grantKey(grantID))
      }
    },
    async extend(id, ttl, grant) {
      // The grant first: if it fails, the session must not say that both were extended.
      const isUnchanged =
        grant === undefined || (await store.replace(grantKey(grant.id), grant.sealed, grant.used, grant.ttl))
      const key = sessionKey(id)
      const value = await store.get(key)
      // One that was written meanwhile has got a new life by that.
      if (value !== undefined) await store.replace(key, value, stamped(value), ttl)
      return isUnchanged
    },
    async delete(id) {
      await store.delete(sessionKey(id))
    },
  }
}

const extendScript = `
if redis.call('GETRANGE', KEYS[1], 0, 0) == 't' then redis.call('SETRANGE', KEYS[1], 0, ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if not KEYS[2] then return 1 end
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
if ARGV[5] == '' then redis.call('SET', KEYS[2], ARGV[4], 'KEEPTTL')
else redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
return 1`

const beginScript = `
redis.call('SET', KEYS[1], unpack(ARGV))
return redis.call('GET', KEYS[2])`

/** Sessions in Redis, one command each. Session and grant share a hash tag, so that a Cluster can serve both at once. */
export function redisSessions(client: RedisClient, prefix: string, timeout: number): SessionRecords {
  const redis = new RedisLink(client, timeout)
  const key = (id: string) => {
    const grantID = grantIDOf(id)
    if (grantID === undefined) return redisKey(prefix, sessionKey(id))
    return redisKey(prefix, sessionKey(grantID)) + id.slice(grantID.length)
  }
  const grant = (grantID: string) => redisKey(prefix, grantKey(grantID))
  return {
    async read(id, grantID) {
      const keys = grantID === undefined ? [key(id)] : [key(id), grant(grantID)]
      const [session, sealed] = (await redis.send('mget', ...keys)) as (string | null)[]
      return recordOf(session, sealed)
    },
    async write(id, session, extendedAt, ttl, mustExist) {
      const lifetime = ttl === undefined ? ['KEEPTTL'] : ['PX', Math.ceil(ttl)]
      const value = [stampOf(extendedAt) + session, ...lifetime]
      const grantID = mustExist ? undefined : grantIDOf(id)
      if (grantID === undefined) {
        await redis.send('set', key(id), ...value, ...(mustExist ? ['XX'] : []))
        return undefined
      }
      const keys = [key(id), grant(grantID)]
      return ((await redis.send('eval', beginScript, keys.length, ...keys, ...value)) ?? undefined) as
        string | undefined
    },
    async extend(id, ttl, read) {
      const keys = read === undefined ? [key(id)] : [key(id), grant(read.id)]
      const grantTTL = read?.ttl === undefined ? '' : Math.ceil(read.ttl)
      const ofGrant = read === undefined ? [] : [read.sealed, read.used, grantTTL]
      const own = [Math.ceil(ttl), stampOf(Date.now())]
      // ioredis gives numbers as strings where its option `stringNumbers` says so.
      return Number(await redis.send('eval', extendScript, keys.length, ...keys, ...own, ...ofGrant)) === 1
    },
    async delete(id) {
      await redis.send('del', key(id))
    },
  }
}
