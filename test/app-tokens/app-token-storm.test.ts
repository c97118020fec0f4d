import { once } from 'node:events'
import Redis from 'ioredis'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { isFull } from '../faults/scale'
import type { Order, Outcome, Wanted } from '../support/app-token-worker'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import { type Worker, send, startWorker } from '../support/worker'

const processes = 4
const calls = isFull ? 1000 : 250
const day = 24 * 60 * 60_000
const paths = {
  'incidents.read': '/incidents',
  'users.read': '/users',
  'services.read': '/services',
  'oncalls.read': '/oncalls',
}
const sets = [
  'users.read',
  'incidents.read users.read',
  'services.read users.read',
  'oncalls.read users.read',
  'incidents.read oncalls.read services.read users.read',
]
const wanted: Wanted[] = ['us.acme', 'eu.globex'].flatMap((account) =>
  sets.map((scope) => ({ account, scope })),
)

describeWithRedis(
  `app tokens of four processes, ${calls} callers each, five scope sets, two accounts`,
  () => {
    let simulator: Simulator
    let server: RedisServer
    let redis: Redis
    let workers: Worker[] = []

    beforeAll(async () => {
      simulator = await startPagerDuty()
      server = await startRedis()
      redis = new Redis(server.url)
      workers = await Promise.all(Array.from({ length: processes }, () => start()))
    })
    beforeEach(async () => {
      await redis.flushall()
      simulator.clearFaults()
      simulator.settings.tokenLatency = 300
      simulator.resetCalls()
    })
    afterAll(async () => {
      for (const { child } of workers) child.kill('SIGKILL')
      redis.disconnect()
      await simulator.close()
      await server.stop()
    })

    const start = (env?: Record<string, string>) => startWorker('app-token-worker.ts', simulator, server, env)
    const storm = (order: Partial<Order> = {}) =>
      Promise.all(workers.map((worker) => send<Outcome>(worker, { wanted, calls, ...order })))
    const requests = () => simulator.calls.token.client_credentials
    const slowest = (outcomes: Outcome[]) => Math.max(...outcomes.map((outcome) => outcome.slowest))
    const tell = (text: string) => process.stdout.write(`      ${text}\n`)

    /** The one token that all processes were given for each request. */
    function tokensOf(outcomes: Outcome[]): Map<string, string> {
      expect(outcomes.map(({ errors }) => errors)).toEqual(Array(outcomes.length).fill({}))
      const found = new Map<string, string>()
      for (const { account, scope } of wanted) {
        const key = `${account} ${scope}`
        const given = new Set(outcomes.flatMap((outcome) => outcome.given[key] ?? []))
        expect([key, given.size]).toEqual([key, 1])
        found.set(key, [...given][0] as string)
      }
      expect(new Set(found.values()).size).toBe(wanted.length)
      return found
    }

    /** Each token can do at the API exactly what was requested, and belongs to the right account. */
    async function expectNoMixUp(tokens: Map<string, string>): Promise<void> {
      for (const { account, scope } of wanted) {
        const headers = { authorization: `Bearer ${tokens.get(`${account} ${scope}`)}` }
        for (const [needed, path] of Object.entries(paths)) {
          const answer = await fetch(simulator.url + path, { headers })
          const isIncluded = scope.split(' ').includes(needed)
          expect([account, scope, path, answer.status]).toEqual([
            account,
            scope,
            path,
            isIncluded ? 200 : 403,
          ])
        }
        const answer = await fetch(`${simulator.url}/users`, { headers })
        const { users } = (await answer.json()) as { users: { email: string }[] }
        expect(users[0]?.email).toContain(account.slice(3))
      }
    }

    test.each([
      ['0.3 s', 300, 2],
      ['8 s', 8000, 1],
    ])(
      'cold: one request for each set and account, no mix-up, at %s of provider latency',
      async (_what, latency, rounds) => {
        for (let round = 0; round < rounds; round++) {
          await redis.flushall()
          simulator.resetCalls()
          simulator.settings.tokenLatency = latency
          const outcomes = await storm({ cold: true })
          const tokens = tokensOf(outcomes)
          expect(requests()).toBe(wanted.length)
          await expectNoMixUp(tokens)
          tell(
            `cold at ${latency} ms: ${requests()} requests, slowest caller ${slowest(outcomes).toFixed(0)} ms`,
          )
        }
      },
    )

    test('nothing in Redis can be read: not the tokens, not the scopes, not the accounts', async () => {
      const tokens = tokensOf(await storm({ cold: true }))
      const keys = await redis.keys('*')
      const values = await Promise.all(keys.map((key) => redis.get(key)))
      const everything = [...keys, ...values].join('\n')
      for (const secret of [...tokens.values(), 'users.read', 'acme', 'globex', 'XBPWQQ'])
        expect(everything).not.toContain(secret)
      expect(keys.filter((key) => key.includes('app:'))).toHaveLength(wanted.length)
      expect(keys.filter((key) => key.includes('lock'))).toEqual([])
      for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0.9 * day)
    })

    test('a process dies during a request: the next one does it, within the life of a lock', async () => {
      const [one = {}] = wanted
      const { child: doomed } = await start()
      simulator.settings.tokenLatency = 60_000
      doomed.send({ wanted: [one], calls: 1 })
      while (requests() === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      const exited = once(doomed, 'exit')
      doomed.kill('SIGKILL')
      await exited
      simulator.settings.tokenLatency = 0
      const outcomes = await storm({ cold: true, wanted: [one as Wanted] })
      expect(outcomes.map(({ errors }) => errors)).toEqual(Array(processes).fill({}))
      expect(requests()).toBe(2)
      expect(slowest(outcomes)).toBeLessThan(8_000)
      tell(`after a crash: slowest caller ${slowest(outcomes).toFixed(0)} ms`)
    })

    test('instances with other names keep tokens of their own', async () => {
      const other = await start({ PREFIX: 'other:' })
      const [first] = wanted as [Wanted]
      const [[mine], theirs] = await Promise.all([
        storm({ cold: true, calls: 4, wanted: [first] }),
        send<Outcome>(other, { calls: 4, wanted: [first] } satisfies Order),
      ])
      other.child.kill()
      expect(requests()).toBe(2)
      expect(theirs.given).not.toEqual(mine?.given)
    })

    test('revoked: every call succeeds, by one request for each set and account', async () => {
      await storm({ cold: true })
      simulator.revokeAll()
      simulator.resetCalls()
      const outcomes = await storm({ fetch: true, calls: 250 })
      for (const { given, errors } of outcomes) {
        expect(errors).toEqual({})
        expect(new Set(Object.values(given).flat())).toEqual(new Set(['200']))
      }
      expect(requests()).toBe(wanted.length)
      tell(`revoked: ${requests()} requests, slowest call ${slowest(outcomes).toFixed(0)} ms`)
    })

    // Last, because the clocks of the processes stay where they are set.
    test('due: one request for each set and account, and no caller waits', async () => {
      const old = tokensOf(await storm({ cold: true }))
      simulator.resetCalls()
      simulator.settings.tokenLatency = 5_000
      const outcomes = await storm({ clockStep: 0.99 * day })
      expect(tokensOf(outcomes)).toEqual(old)
      expect(slowest(outcomes)).toBeLessThan(4_000)
      while (requests() < wanted.length) await new Promise((resolve) => setTimeout(resolve, 20))
      await new Promise((resolve) => setTimeout(resolve, 6_000))
      const renewed = tokensOf(await storm())
      expect(requests()).toBe(wanted.length)
      expect([...renewed.values()].filter((token) => [...old.values()].includes(token))).toEqual([])
      await expectNoMixUp(renewed)
      tell(
        `due: ${requests()} requests, slowest caller ${slowest(outcomes).toFixed(0)} ms at 5000 ms of provider latency`,
      )
    })
  },
)
