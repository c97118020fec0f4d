import { randomUUID } from 'node:crypto'
import type { RedisClient } from '../store/redis-client'
import { connectRedis } from '../store/connect-redis'
import { RedisConnection } from '../store/redis-connection'
import { RedisTokenStore } from '../store/redis-token-store'

/** Milliseconds for each command; connecting included. */
const patience = 2_000
const pings = 5

/** What a Redis says about itself and lets be done. An error stands where it did not. */
export interface RedisFacts {
  /** Lines of INFO. */
  info: ReadonlyMap<string, string>
  /** The option `save`; undefined where CONFIG is forbidden, as it is in many managed services. */
  save: string | undefined
  /** What went wrong with the commands that the package needs. */
  refusal: Error | undefined
  /** Milliseconds to Redis and back, the middle of several. */
  roundTrip: number
}

/**
 * Connects as an app would, looks around, and puts one key there for a moment.
 *
 * @throws {Error} the connection's first error, or that there was none in time
 */
export async function probeRedis(url: string): Promise<RedisFacts> {
  let failed: (error: Error) => void = () => {}
  const failure = new Promise<never>((_, reject) => {
    failed = reject
  })
  const connected = connectRedis(url, failed)
  const { client } = connected
  const connection = RedisConnection.of(client)
  const send = (command: string, ...args: string[]) => connection.send(patience, command, ...args)
  try {
    await Promise.race([send('ping'), failure]).catch((error: Error) => {
      throw reasonOf(error)
    })
    return {
      info: linesOf(await send('info').catch(() => '')),
      save: await send('config', 'get', 'save').then(
        (answer) => (answer as string[])[1],
        () => undefined,
      ),
      refusal: await tryCommands(client, send),
      roundTrip: await roundTripOf(() => send('ping')),
    }
  } finally {
    await connected.close()
  }
}

/** The store's own operations, and the sessions' one of its own: rights, scripts, a replica and full memory show there. */
async function tryCommands(
  client: RedisClient,
  send: (command: string, ...args: string[]) => Promise<unknown>,
): Promise<Error | undefined> {
  const store = new RedisTokenStore(client, { timeout: patience })
  const key = `doctor:${randomUUID()}`
  try {
    await store.create(key, 'one', 10_000)
    await store.replace(key, 'one', 'two')
    await store.get(key)
    await send('mget', `pagerduty:doctor:{${key.slice(7)}}`)
    await store.delete(key)
    return undefined
  } catch (failure) {
    return reasonOf(failure as Error)
  }
}

/** What Redis or the system said, which the library's own errors carry as their cause. */
function reasonOf(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error
}

async function roundTripOf(ping: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < pings; i++) {
    const startedAt = performance.now()
    await ping()
    times.push(performance.now() - startedAt)
  }
  return times.toSorted((one, other) => one - other)[Math.floor(pings / 2)] ?? 0
}

function linesOf(info: unknown): Map<string, string> {
  const lines = String(info).split('\r\n')
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(':')
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    }),
  )
}
