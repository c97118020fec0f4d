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
}

/** Where the drop-in keeps its sessions. The session id tells the grant that belongs to it. */
export interface SessionRecords {
  /** Both values at once. */
  read(id: string, grantID: string | undefined): Promise<SessionRecord>
  /**
   * Writes a session.
   *
   * @param ttl milliseconds
   * @param mustExist do not bring back one that has been deleted meanwhile
   */
  write(id: string, session: string, ttl: number, mustExist: boolean): Promise<void>
  /** Lets a session, and the grant if given, live `ttl` milliseconds from now. */
  extend(id: string, grantID: string | undefined, ttl: number): Promise<void>
  delete(id: string): Promise<void>
}

function sessionKey(id: string): string {
  return `sess:${id}`
}

/** Sessions in any token store. */
export function storedSessions(store: TokenStore): SessionRecords {
  const extendOne = async (key: string, ttl: number) => {
    const value = await store.get(key)
    if (value !== undefined) await store.replace(key, value, value, ttl)
  }
  return {
    async read(id, grantID) {
      const grant = grantID === undefined ? undefined : store.get(grantKey(grantID))
      const [session, sealed] = await Promise.all([store.get(sessionKey(id)), grant])
      return { session, grant: sealed }
    },
    async write(id, session, ttl, mustExist) {
      const key = sessionKey(id)
      // Sessions have no versions: of two writers the last one wins, as everywhere with express-session.
      for (;;) {
        const current = await store.get(key)
        if (current === undefined && mustExist) return
        const isWritten =
          current === undefined
            ? await store.create(key, session, ttl)
            : await store.replace(key, current, session, ttl)
        if (isWritten) return
      }
    },
    async extend(id, grantID, ttl) {
      await extendOne(sessionKey(id), ttl)
      if (grantID !== undefined) await extendOne(grantKey(grantID), ttl)
    },
    async delete(id) {
      await store.delete(sessionKey(id))
    },
  }
}

const extendScript = `
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return 1`

/** Sessions in Redis, one command each. Session and grant share a hash tag, so that a Cluster can serve both at once. */
export function redisSessions(client: RedisClient, prefix: string, timeout: number): SessionRecords {
  const redis = new RedisLink(client, timeout)
  const key = (id: string) => {
    const [tag = '', ...rest] = id.split('.')
    return [redisKey(prefix, sessionKey(tag)), ...rest].join('.')
  }
  const grant = (grantID: string) => redisKey(prefix, grantKey(grantID))
  return {
    async read(id, grantID) {
      const keys = grantID === undefined ? [key(id)] : [key(id), grant(grantID)]
      const [session, sealed] = (await redis.send('mget', ...keys)) as (string | null)[]
      return { session: session ?? undefined, grant: sealed ?? undefined }
    },
    async write(id, session, ttl, mustExist) {
      await redis.send('set', key(id), session, 'PX', Math.ceil(ttl), ...(mustExist ? ['XX'] : []))
    },
    async extend(id, grantID, ttl) {
      const keys = grantID === undefined ? [key(id)] : [key(id), grant(grantID)]
      await redis.send('eval', extendScript, keys.length, ...keys, Math.ceil(ttl))
    },
    async delete(id) {
      await redis.send('del', key(id))
    },
  }
}
