import { randomBytes, randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { measureCommands } from '../../scale/redis-commands'
import { type Footprint, measureFootprint } from '../../scale/redis-memory'
import { allScopes, tenScopes } from '../../scale/scopes'
import { startRedis } from '../../support/redis'
import { type Bench, type Finding, type Rows, count } from '../bench'
import { lines } from '../svg'

/** What logged-in users take in Redis, as they grow more. */
export async function redisMemory({ isQuick, isLong, progress }: Bench): Promise<Finding> {
  const sizes = [1_000, 10_000, ...(isQuick ? [] : [100_000]), ...(isLong ? [1_000_000] : [])]
  const server = await startRedis()
  const redis = new Redis(server.url)
  try {
    const { session } = await measureCommands(server.url)
    const rows: Rows = [
      [
        'users',
        'scopes',
        'session',
        'grant',
        'index',
        'all, with Redis’s own tables',
        'hand-written, in clear',
      ],
    ]
    const curves: Record<string, (readonly [number, number])[]> = {}
    const most: Record<string, number> = {}
    for (const [what, scope] of Object.entries({ ten: tenScopes, all: allScopes })) {
      for (const users of sizes) {
        progress(`redis: ${users} users, ${what} scopes`)
        const footprint: Footprint = await measureFootprint(redis, users, scope, session)
        const byHand = await handWired(redis, users, scope)
        const { keys, total } = footprint
        const carried = Math.round(keys.session + keys.grant)
        const bytes = [keys.session, keys.grant, keys.index, total, byHand].map(Math.round)
        rows.push([users, scope.length, ...bytes])
        ;(curves[`passport-pagerduty, ${scope.length} scopes`] ??= []).push([users, total])
        ;(curves[`hand-written, in clear, ${scope.length} scopes`] ??= []).push([users, byHand])
        most[what] = Math.max(most[what] ?? 0, carried)
      }
    }
    return {
      title: 'Redis memory',
      how:
        'Bytes for each logged-in user. The keys as `MEMORY USAGE` says; all of it is the growth of `used_memory`. Hand-written is ' +
        'the session of connect-redis with the tokens inside, unencrypted and without an index of users.',
      rows,
      notes: [],
      goals: [
        count(
          'bytes in Redis for a user with ten scopes, session and encrypted grant',
          most['ten'] ?? NaN,
          2048,
        ),
        count(
          'bytes in Redis for a user with all scopes, session and encrypted grant',
          most['all'] ?? NaN,
          3072,
        ),
      ],
      plots: {
        redis: lines(
          'Bytes in Redis for each user, all told',
          Object.entries(curves).map(([label, points]) => ({ label, points })),
          { x: 'users', y: 'bytes' },
        ),
      },
    }
  } finally {
    redis.disconnect()
    await server.stop()
  }
}

/** Growth of `used_memory` for each session of the hand-written route. */
async function handWired(redis: Redis, users: number, scope: readonly string[]): Promise<number> {
  await redis.flushall()
  const before = await usedMemory(redis)
  const day = 86_400_000
  const write = () => {
    const user = {
      id: 'PACME01',
      accessToken: `pdus+_0XBPWQQ_${randomUUID()}`,
      refreshToken: `pdus+_1XBPWQQ_${randomUUID()}`,
      scope: scope.join(' '),
      expiresAt: Date.now() + day,
    }
    const cookie = {
      originalMaxAge: 30 * day,
      expires: new Date(),
      httpOnly: true,
      path: '/',
      sameSite: 'lax',
    }
    const key = `sess:${randomBytes(24).toString('base64url')}`
    return redis.set(key, JSON.stringify({ cookie, passport: { user } }), 'PX', 30 * day)
  }
  for (let from = 0; from < users; from += 500) {
    await Promise.all(Array.from({ length: Math.min(500, users - from) }, write))
  }
  return ((await usedMemory(redis)) - before) / users
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
}
