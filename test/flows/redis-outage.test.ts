import { rmSync } from 'node:fs'
import { Redis, type RedisOptions } from 'ioredis'
import { type Simulator, startPagerDuty } from '../../src/testing'
import type { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { margin } from '../support/margin'
import { type RedisServer, describeWithRedis, startRedis, temporaryDirectory } from '../support/redis'
import { type Relay, type RelayMode, startRelay } from '../support/relay'

const secret = 'a secret of thirty-two characters or more, for tests'

/** What users do with their clients. `url` is the one that this package connects by itself. */
const clients: Record<string, Omit<RedisOptions, 'replyMapping'> | 'url'> = {
  'a URL': 'url',
  'the defaults': {},
  autopipelining: { enableAutoPipelining: true },
  'no offline queue': { enableOfflineQueue: false },
  'endless retries of a command': { maxRetriesPerRequest: null },
  'no retries of a command': { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
  'a hasty command timeout': { commandTimeout: 200 },
  'a lazy connection': { lazyConnect: true },
  'a key prefix': { keyPrefix: 'mine:' },
  'half a minute between attempts to reconnect': { retryStrategy: () => 30_000 },
  'numbers as texts': { stringNumbers: true },
  'RESP2 and no ready check': { protocol: 2, enableReadyCheck: false },
}

/** What the browsers of one app saw while an outage lasted. */
interface Suffered {
  /** Each kind of response once. */
  answers: { status: number; retryAfter: string | null; setCookie: string | null }[]
  /** Milliseconds that the slowest of them took. */
  slowest: number
  /** Commands that the client keeps for later, at the end. */
  queued: number
}

/** Milliseconds from its end to the first 200: with a live access token, and with one that has to be refreshed. */
interface Recovered {
  live: number
  ended: number
}

type Seen = Suffered & { back: Recovered }

interface Subject {
  app: DropIn
  redis: Redis | undefined
  live: Browser
  /** One for each outage, since a refresh ends what it is. */
  ended: Browser[]
}

describeWithRedis('pd.auth() during an outage of Redis', () => {
  const subjects = new Map<string, Subject>()
  let directory: string
  let server: RedisServer
  let relay: Relay
  let simulator: Simulator

  const start = async (port?: number) => {
    const more = ['--appendonly', 'yes', '--appendfsync', 'always']
    server = await startRedis({ directory, more, ...(port === undefined ? {} : { port }) })
  }

  /** What happens, how, how it ends, and after how many milliseconds. */
  const outages: readonly [string, () => Promise<void>, () => Promise<void>, number][] = [
    ['is down', () => server.stop(), () => start(server.port), 2_000],
    ['is silent', async () => server.freeze(), async () => server.thaw(), 2_000],
    ['is behind a black hole', () => setMode('blackhole'), () => setMode('pass'), 2_500],
    ['has forgotten its connections', () => setMode('blackhole'), () => setMode('pass'), 300],
    ['is heard no more', () => setMode('dropReplies'), () => setMode('pass'), 2_500],
    ['resets every connection', () => setMode('refuse'), () => setMode('pass'), 1_000],
  ]

  beforeAll(async () => {
    directory = temporaryDirectory()
    await start()
    relay = await startRelay(server.port)
    simulator = await startPagerDuty()
    const url = `redis://127.0.0.1:${relay.port}`
    for (const [name, options] of Object.entries(clients)) {
      const redis = options === 'url' ? undefined : new Redis({ port: relay.port, ...options })
      redis?.on('error', () => {})
      const app = await startDropIn(simulator, { redis: redis ?? url, secret })
      const { browser: live } = await app.logIn()
      simulator.settings.accessTokenLifetime = 1
      const ended = []
      for (const _ of outages) ended.push((await app.logIn()).browser)
      simulator.settings.accessTokenLifetime = undefined
      subjects.set(name, { app, redis, live, ended })
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  })
  afterAll(async () => {
    for (const { app, redis } of subjects.values()) {
      await app.close()
      redis?.disconnect()
    }
    await relay.close()
    await simulator.close()
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  describe.each(outages.map(([what], number) => [what, number] as const))('that %s', (_what, number) => {
    const [, begin, end, length] = outages[number] as (typeof outages)[number]
    const seen = new Map<string, Seen>()
    let refreshes: number

    beforeAll(async () => {
      for (const { app, live } of subjects.values()) await app.get(live)
      simulator.resetCalls()
      await begin()
      const until = performance.now() + length
      const suffered = await Promise.all(
        [...subjects.values()].map((subject) => suffer(subject, number, until)),
      )
      refreshes = simulator.calls.token.refresh_token
      await end()
      const endedAt = performance.now()
      const back = await Promise.all(
        [...subjects.values()].map((subject) => recover(subject, number, endedAt)),
      )
      for (const [i, name] of [...subjects.keys()].entries()) {
        seen.set(name, { ...(suffered[i] as Suffered), back: back[i] as Recovered })
      }
    })

    test('starts no refresh meanwhile', () => {
      expect(refreshes).toBe(0)
    })

    test.each(Object.keys(clients))(
      'with %s: responds with 503 in time, and works again when it is back',
      (name) => {
        const { answers, slowest, back, queued } = seen.get(name) as Seen
        expect(answers).toEqual([{ status: 503, retryAfter: '2', setCookie: null }])
        expect(slowest).toBeLessThan(2_500 + margin)
        // What was on its way when the connection broke may be sent once more; nothing piles up.
        expect(queued).toBeLessThanOrEqual(1)
        expect(back.live).toBeLessThan(2_000 + margin)
        expect(back.ended).toBeLessThan(2_500 + margin)
      },
    )
  })

  test.each([
    ['down', () => server.stop(), () => start(server.port)],
    ['silent', async () => server.freeze(), async () => server.thaw()],
  ])('five hundred requests while it is %s leave nothing in the client', async (_what, begin, end) => {
    const { app, redis, live } = subjects.get('half a minute between attempts to reconnect') as Subject
    const mostListeners = () =>
      Math.max(...(redis?.eventNames() ?? []).map((name) => redis?.listenerCount(name) ?? 0))
    const warned = jest.spyOn(process, 'emitWarning')
    await begin()
    const statuses = new Set<number>()
    const burst = Array.from({ length: 500 }, async () => statuses.add((await app.get(live)).status))
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(mostListeners()).toBeLessThan(5)
    await Promise.all(burst)
    expect([...statuses]).toEqual([503])
    expect(queueOf(redis)).toBe(0)
    await end()
    await recover({ app, redis, live, ended: [live] }, 0, performance.now())
    expect(mostListeners()).toBeLessThan(5)
    // Node's own, of too many listeners, is an error.
    expect(warned.mock.calls.filter(([warning]) => typeof warning !== 'string')).toEqual([])
    warned.mockRestore()
  })

  test('a master that was made read-only serves what lives, refreshes nothing, and is itself again when it takes writes', async () => {
    const { app, redis, live } = subjects.get('the defaults') as Subject
    simulator.settings.accessTokenLifetime = 1
    const { browser: ended } = await app.logIn()
    simulator.settings.accessTokenLifetime = undefined
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    simulator.resetCalls()
    let departures = 0
    const duplicate = redis?.duplicate.bind(redis) as Redis['duplicate']
    jest.spyOn(redis as Redis, 'duplicate').mockImplementation((override) => {
      departures++
      return duplicate(override)
    })
    const admin = new Redis(server.port)
    await admin.call('REPLICAOF', '127.0.0.1', '1')
    const until = performance.now() + 2_000
    const statuses = { live: new Set<number>(), ended: new Set<number>() }
    const load = async (name: keyof typeof statuses, browser: Browser) => {
      while (performance.now() < until) statuses[name].add((await app.get(browser)).status)
    }
    await Promise.all([load('live', live), load('live', live), load('ended', ended), load('ended', ended)])
    expect({ live: [...statuses.live], ended: [...statuses.ended] }).toEqual({ live: [200], ended: [503] })
    expect(simulator.calls.token.refresh_token).toBe(0)
    expect(departures).toBeGreaterThan(0)
    expect(departures).toBeLessThan(5)
    await admin.call('REPLICAOF', 'NO', 'ONE')
    admin.disconnect()
    const back = await recover({ app, redis: undefined, live, ended: [ended] }, 0, performance.now())
    expect(back.ended).toBeLessThan(3_000 + margin)
    expect(simulator.calls.token.refresh_token).toBe(1)
  })

  test('a master that was demoted is left for the one that its address leads to now', async () => {
    const [old, next] = [await startRedis({ more: ['--repl-diskless-sync-delay', 0] }), await startRedis()]
    const address = await startRelay(old.port)
    const redis = new Redis(address.port)
    redis.on('error', () => {})
    const app = await startDropIn(simulator, { redis, secret })
    const { browser: live } = await app.logIn()
    simulator.settings.accessTokenLifetime = 1
    const { browser: ended } = await app.logIn()
    simulator.settings.accessTokenLifetime = undefined
    const [admin, nextAdmin] = [new Redis(old.port), new Redis(next.port)]
    await nextAdmin.call('REPLICAOF', '127.0.0.1', `${old.port}`)
    while (!(await nextAdmin.info()).includes('master_link_status:up'));
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    simulator.resetCalls()
    await nextAdmin.call('REPLICAOF', 'NO', 'ONE')
    await admin.call('REPLICAOF', '127.0.0.1', `${next.port}`)
    address.target = next.port
    const back = await recover({ app, redis, live, ended: [ended] }, 0, performance.now())
    expect(back.live).toBeLessThan(2_000 + margin)
    expect(back.ended).toBeLessThan(3_000 + margin)
    expect(simulator.calls.token.refresh_token).toBe(1)
    await app.close()
    for (const client of [redis, admin, nextAdmin]) client.disconnect()
    await address.close()
    await Promise.all([old.stop(), next.stop()])
  })

  /** Requests one after the other in both browsers, as long as the outage lasts. */
  async function suffer(
    { app, redis, live, ended }: Subject,
    number: number,
    until: number,
  ): Promise<Suffered> {
    const answers = new Map<string, Suffered['answers'][number]>()
    let slowest = 0
    const insist = async (browser: Browser) => {
      while (performance.now() < until) {
        const startedAt = performance.now()
        const { status, headers } = await app.get(browser)
        slowest = Math.max(slowest, performance.now() - startedAt)
        const answer = {
          status,
          retryAfter: headers.get('retry-after'),
          setCookie: headers.get('set-cookie'),
        }
        answers.set(JSON.stringify(answer), answer)
      }
    }
    await Promise.all([insist(live), insist(ended[number] as Browser)])
    return { answers: [...answers.values()], slowest, queued: queueOf(redis) }
  }

  /** Requests one after the other until one succeeds. */
  async function recover({ app, live, ended }: Subject, number: number, endedAt: number): Promise<Recovered> {
    const insist = async (browser: Browser) => {
      while (performance.now() - endedAt < 10_000) {
        if ((await app.get(browser)).status === 200) break
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return performance.now() - endedAt
    }
    const [one, other] = await Promise.all([insist(live), insist(ended[number] as Browser)])
    return { live: one, ended: other }
  }

  async function setMode(mode: RelayMode): Promise<void> {
    relay.mode = mode
  }
})

/** Commands that ioredis keeps for when it is connected. */
function queueOf(redis: Redis | undefined): number {
  return (redis as { offlineQueue?: { length: number } } | undefined)?.offlineQueue?.length ?? 0
}
