import { randomBytes, randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { GrantIndex } from '../../src/grants/grant-index'
import type { GrantRecord } from '../../src/grants/grant-record'
import { GrantRepository, grantKey } from '../../src/grants/grant-repository'
import { RedisTokenStore, redisKey } from '../../src/store/redis-token-store'
import { KeyRing } from '../../src/store/encryption'
import { TokenSet } from '../../src/oauth/token-set'

/** What one logged-in user takes in Redis, in bytes. */
export interface Footprint {
  /** Length of the values. */
  values: { session: number; grant: number; index: number }
  /** As `MEMORY USAGE` says: key, value and Redis's own. */
  keys: { session: number; grant: number; index: number }
  /** Growth of `used_memory`, divided by the users: with the tables of keys and of their ends. */
  total: number
}

const prefix = 'pagerduty:'
const hour = 3_600_000

/**
 * Writes the logins of many users, as `pd.auth()` does, into an empty Redis.
 *
 * @param session the value of a real session, and the id of its grant
 */
export async function measureFootprint(
  redis: Redis,
  users: number,
  scope: readonly string[],
  session: { value: string; grantID: string },
): Promise<Footprint> {
  await redis.flushall()
  const before = await usedMemory(redis)
  const keys = new KeyRing(randomBytes(32).toString('base64url'))
  const store = new RedisTokenStore(redis, { prefix, timeout: 30_000 })
  const repository = new GrantRepository(store, keys)
  const index = new GrantIndex(store, keys)
  const written: { session: string; grant: string; index: string }[] = []
  const write = async (number: number) => {
    const id = randomBytes(Buffer.from(session.grantID, 'base64url').length).toString('base64url')
    const sessionID = `${id}.${randomBytes(24).toString('base64url')}`
    const record = recordOf(number, scope)
    await repository.create(id, record, 8 * hour)
    await store.create(`sess:${sessionID}`, session.value.replaceAll(session.grantID, id), 8 * hour)
    await index.add(record.user, id, record.absoluteEnd)
    written.push({
      session: redisKey(prefix, `sess:${sessionID}`),
      grant: redisKey(prefix, grantKey(id)),
      index: redisKey(prefix, `user:${record.user.accountID} ${record.user.id}`),
    })
  }
  for (let from = 0; from < users; from += 500) {
    const batch = Math.min(500, users - from)
    await Promise.all(Array.from({ length: batch }, (_, i) => write(from + i)))
  }
  const total = ((await usedMemory(redis)) - before) / users
  const sample = written.slice(0, 500)
  const average = async (
    kind: keyof (typeof written)[number],
    of: (key: string) => Promise<number | null>,
  ) => {
    const sizes = await Promise.all(sample.map(async (keysOf) => (await of(keysOf[kind])) ?? NaN))
    return sizes.reduce((sum, size) => sum + size, 0) / sizes.length
  }
  const all = async (of: (key: string) => Promise<number | null>) => ({
    session: await average('session', of),
    grant: await average('grant', of),
    index: await average('index', of),
  })
  return {
    values: await all((key) => redis.strlen(key)),
    keys: await all((key) => redis.memory('USAGE', key)),
    total,
  }
}

/** A record with tokens of the length that PagerDuty documents. */
function recordOf(number: number, scope: readonly string[]): GrantRecord {
  const now = Date.now()
  const id = `P${number.toString(36).toUpperCase().padStart(6, '0')}`
  return {
    version: 1,
    user: {
      id,
      accountID: 'PACME00',
      subdomain: 'acme',
      region: 'us',
      apiURL: 'https://api.pagerduty.com',
      delegationID: randomUUID(),
    },
    tokens: new TokenSet({
      accessToken: `pdus+_0XBPWQQ_${randomUUID()}`,
      refreshToken: `pdus+_1XBPWQQ_${randomUUID()}`,
      obtainedAt: now,
      expiresAt: now + 24 * hour,
      scope,
    }),
    requestedScopes: scope,
    createdAt: now,
    lastUsedAt: now,
    label: undefined,
    absoluteEnd: now + 30 * 24 * hour,
    isKept: false,
    superseded: [],
    appUser: undefined,
  }
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
}
