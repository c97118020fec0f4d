import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { isFull } from '../faults/scale'
import { Browser } from '../support/browser'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import type { Order, Outcome } from '../support/storm-worker'
import { type Worker, send, startWorker } from '../support/worker'

const processes = 4
const requests = isFull ? 1000 : 250
const twoDays = 2 * 24 * 60 * 60_000

describeWithRedis(`four processes, ${requests} requests each, one expired grant`, () => {
  let simulator: Simulator
  let server: RedisServer
  let workers: Worker[] = []

  beforeAll(async () => {
    simulator = await startPagerDuty({ reuse: 'revoke-family', clients: [client] })
    server = await startRedis()
    const start = () => startWorker('storm-worker.ts', simulator, server)
    workers = await Promise.all(Array.from({ length: processes }, start))
  })
  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL')
    await simulator.close()
    await server.stop()
  })

  const storm = (order: Order) => Promise.all(workers.map((worker) => send<Outcome>(worker, order)))

  test.each([
    ['0.3 s', 300],
    ['8 s', 8000],
  ])('make one refresh and no failed request, at %s of provider latency', async (_what, latency) => {
    const [first = { url: '' }] = workers
    const browser = new Browser()
    const begun = await browser.visit(`${first.url}/auth/pagerduty`)
    await browser.visit(await approve(begun.headers.get('location') as string))
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')

    const [fresh = { slowest: 0 }] = await storm({ cookie, requests, clockStep: 0 })
    simulator.resetCalls()
    simulator.settings.tokenLatency = latency
    const outcomes = await storm({ cookie, requests, clockStep: twoDays })

    expect(outcomes.map((outcome) => outcome.statuses)).toEqual(Array(processes).fill({ 200: requests }))
    expect(simulator.calls.token.refresh_token).toBe(1)
    expect(simulator.reuses).toBe(0)
    expect(new Set(outcomes.flatMap((outcome) => outcome.tokens))).toEqual(
      new Set([JSON.stringify(simulator.newestAccessToken('PACME01'))]),
    )
    const slowest = Math.max(...outcomes.map((outcome) => outcome.slowest))
    process.stdout.write(
      `      storm at ${latency} ms: slowest request ${slowest.toFixed(0)} ms; on a fresh grant ${fresh.slowest.toFixed(0)} ms\n`,
    )
  })
})

const client = {
  clientID: 'storm',
  clientSecret: 'a secret that nobody else knows',
  scope: ['incidents.read'],
}
