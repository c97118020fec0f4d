// One process of an app: app tokens over Redis, requested by many callers at once. Driven by messages.
import Redis from 'ioredis'
import { AppTokens, RedisTokenStore } from '../../src'

/** What is requested: scopes on an account. */
export interface Wanted {
  account: string
  scope: string
}

/** What the parent sends. */
export interface Order {
  wanted: Wanted[]
  calls: number
  /** Milliseconds by which this process's clock is set forward, from now on. */
  clockStep?: number
  /** Begins with nothing in memory. */
  cold?: boolean
  /** Calls the API instead of only requesting the token. */
  fetch?: boolean
}

/** What comes back. */
export interface Outcome {
  /** The tokens that were given for each `account scope`; with `fetch` the statuses. */
  given: Record<string, string[]>
  errors: Record<string, number>
  /** Milliseconds. */
  slowest: number
}

const redis = new Redis(process.env['REDIS_URL'] as string)
const prefix = process.env['PREFIX'] ?? 'pagerduty:'
let tokens = start()

function start(): AppTokens {
  return new AppTokens({
    clientID: process.env['PAGERDUTY_CLIENT_ID'] as string,
    clientSecret: process.env['PAGERDUTY_CLIENT_SECRET'] as string,
    identityURL: process.env['PAGERDUTY_IDENTITY_URL'] as string,
    apiURL: process.env['PAGERDUTY_API_URL'] as string,
    secret: process.env['SESSION_SECRET'] as string,
    tokenStore: new RedisTokenStore(redis, { prefix }),
  })
}

process.on('message', (order: Order) => void storm(order).then((outcome) => process.send?.(outcome)))
redis.once('ready', () => process.send?.('ready'))

async function storm({ wanted, calls, clockStep = 0, cold, fetch }: Order): Promise<Outcome> {
  if (cold) {
    await tokens.close()
    tokens = start()
  }
  const now = Date.now.bind(Date)
  if (clockStep > 0) Date.now = () => now() + clockStep
  const given: Record<string, Set<string>> = {}
  const errors: Record<string, number> = {}
  let slowest = 0
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: calls }, async (_, call) => {
      const { account, scope } = wanted[call % wanted.length] as Wanted
      try {
        const got = fetch
          ? String((await tokens.fetch('/users', { account, scope })).status)
          : (
              await tokens.getToken(
                scope.split(' ').toSorted(() => Math.random() - 0.5),
                { account },
              )
            ).accessToken
        ;(given[`${account} ${scope}`] ??= new Set()).add(got)
      } catch (error) {
        errors[String(error)] = (errors[String(error)] ?? 0) + 1
      }
      slowest = Math.max(slowest, performance.now() - startedAt)
    }),
  )
  const lists = Object.entries(given).map(([key, values]) => [key, [...values]])
  return { given: Object.fromEntries(lists) as Record<string, string[]>, errors, slowest }
}
