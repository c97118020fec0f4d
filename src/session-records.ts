import { grantIDOf } from './grant-session'
import { grantKey } from './grant-vault'
import type { RedisClient } from './redis-client'
import { RedisLink } from './redis-link'
import { redisKey } from './redis-token-store'
import type { TokenStore } from './token-store'

/** A session and the grant it carries, as they stand in the store. */
export interface SessionRecord {
  session: string | undefined
  /** The sealed grant; undefined also when the session carries none. */
  grant: string | undefined
  /** When they were last extended, in milliseconds since the epoch; 0 for not yet. */
  extendedAt: number
}

/** Where the drop-in keeps its sessions. The session id tells the grant that belongs to it. */
export interface SessionRecords {
  /** Both values at once. */
  read(id: string, grantID: string | undefined): Promise<SessionRecord>
  /**
   * Writes a session.
   *
   * @param extendedAt when it was last extended, as it was read
   * @param ttl milliseconds
   * @param mustExist do not bring back one that has been deleted meanwhile
   */
  write(id: string, session: string, extendedAt: number, ttl: number, mustExist: boolean): Promise<void>
  /** Lets a session, and the grant if given, live `ttl` milliseconds from now, and notes that it was done. */
  extend(id: string, grantID: string | undefined, ttl: number): Promise<void>
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
  const extendOne = async (key: string, ttl: number, changed = (value: string) => value) => {
    const value = await store.get(key)
    if (value !== undefined) await store.replace(key, value, changed(value), ttl)
  }
  const stamped = (value: string) => stampOf(Date.now()) + (recordOf(value, null).session ?? '')
  return {
    async read(id, grantID) {
      const grant = grantID === undefined ? undefined : store.get(grantKey(grantID))
      const [session, sealed] = await Promise.all([store.get(sessionKey(id)), grant])
      return recordOf(session, sealed)
    },
    async write(id, session, extendedAt, ttl, mustExist) {
      const key = sessionKey(id)
      const value = stampOf(extendedAt) + session
      // Sessions have no versions: of two writers the last one wins, as everywhere with express-session.
      for (;;) {
        const current = await store.get(key)
        if (current === undefined && mustExist) return
        const isWritten =
          current === undefined
            ? await store.create(key, value, ttl)
            : await store.replace(key, current, value, ttl)
        if (isWritten) return
      }
    },
    async extend(id, grantID, ttl) {
      await extendOne(sessionKey(id), ttl, stamped)
      if (grantID !== undefined) await extendOne(grantKey(grantID), ttl)
    },
    async delete(id) {
      await store.delete(sessionKey(id))
    },
  }
}

const extendScript = `
if redis.call('GETRANGE', KEYS[1], 0, 0) == 't' then redis.call('SETRANGE', KEYS[1], 0, ARGV[2]) end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return 1`

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
      await redis.send(
        'set',
        key(id),
        stampOf(extendedAt) + session,
        'PX',
        Math.ceil(ttl),
        ...(mustExist ? ['XX'] : []),
      )
    },
    async extend(id, grantID, ttl) {
      const keys = grantID === undefined ? [key(id)] : [key(id), grant(grantID)]
      await redis.send('eval', extendScript, keys.length, ...keys, Math.ceil(ttl), stampOf(Date.now()))
    },
    async delete(id) {
      await redis.send('del', key(id))
    },
  }
}
