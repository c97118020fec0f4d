import { once } from 'node:events'
import { type Simulator, sendWebhook, startPagerDuty } from '../../src/testing'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import type { Handled } from '../support/webhook-worker'
import { open } from '../support/webhooks'
import { type Worker, startWorker } from '../support/worker'

const processes = 4
const secret = 'a-secret-of-the-webhook-subscription'
const lease = 15_000

describeWithRedis('four processes that receive webhooks', () => {
  let simulator: Simulator
  let server: RedisServer
  let workers: Worker[]
  const handled: { id: string; worker: number }[] = []

  beforeAll(async () => {
    simulator = await startPagerDuty()
    server = await startRedis()
    workers = await Promise.all(Array.from({ length: processes }, (_, index) => start(index)))
  })
  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL')
    await simulator.close()
    await server.stop()
  })

  async function start(index: number): Promise<Worker> {
    const env = { PAGERDUTY_WEBHOOK_SECRET: secret, PAGERDUTY_ACCOUNT: 'us.acme' }
    const worker = await startWorker('webhook-worker.ts', simulator, server, env)
    worker.child.on('message', (message: Handled) => handled.push({ id: message.handled, worker: index }))
    return worker
  }

  /** PagerDuty's delivery to one of the processes. */
  async function deliver(worker: number, id: string, title: string, path = 'patient'): Promise<number> {
    const event = { id, event_type: 'incident.triggered', data: { title } }
    const { url } = workers[worker % processes] as Worker
    return (await sendWebhook(`${url}/${path}`, event, { secret })).status
  }

  const timesHandled = (id: string) => handled.filter((one) => one.id === id).length

  test('handle an event once that is delivered a hundred times at once, and again later', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 100 }, (_, index) => deliver(index, 'storm', 'slow')),
    )
    const later = await Promise.all(Array.from({ length: 20 }, (_, index) => deliver(index, 'storm', 'slow')))
    const count = (list: number[], status: number) => list.filter((one) => one === status).length
    process.stdout.write(
      `      storm: 202 ${count(statuses, 202)}, 503 ${count(statuses, 503)}; handled ${timesHandled('storm')} time(s)\n`,
    )
    expect(count(statuses, 202) + count(statuses, 503)).toBe(100)
    expect(count(statuses, 202)).toBeGreaterThan(0)
    expect(later).toEqual(Array(20).fill(202))
    expect(timesHandled('storm')).toBe(1)
  })

  test('request one app token for all of their handlers', async () => {
    simulator.resetCalls()
    const ids = Array.from({ length: 40 }, (_, index) => `token-${index}`)
    const statuses = await Promise.all(ids.map((id, index) => deliver(index, id, 'token')))
    expect(new Set(statuses)).toEqual(new Set([202]))
    expect(simulator.calls.token.client_credentials).toBe(1)
  })

  test('outlive handlers that fail in every way, and senders that break off', async () => {
    for (const title of ['reject', 'fail late', 'hang', 'slow'])
      await deliver(1, `bad ${title}`.replace(' ', '-'), title, 'quick')
    expect(await deliver(1, 'rude', 'x', 'rude')).toBe(500)
    const { url, child } = workers[1] as Worker
    for (const path of ['quick', 'patient']) {
      const socket = await open(url)
      socket.write(
        `POST /${path} HTTP/1.1\r\nHost: x\r\nX-PagerDuty-Signature: v1=\r\nContent-Length: 100\r\n\r\n{"ev`,
      )
      socket.destroy()
    }
    // The late failure has come by then: an unhandled rejection would have ended the process.
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await deliver(1, 'alive', 'x', 'quick')).toBe(202)
    expect(child.exitCode).toBeNull()
  })

  test('handle an event again whose process died in the handler, when its lease has ended', async () => {
    const { child } = workers[0] as Worker
    const first = deliver(0, 'killed', 'hang').catch(() => 'no answer')
    while (timesHandled('killed') === 0) await once(child, 'message')
    const killedAt = performance.now()
    child.kill('SIGKILL')
    expect(await first).toBe('no answer')
    expect(await deliver(1, 'killed', 'slow')).toBe(503)
    let status = 503
    while (status === 503 && performance.now() - killedAt < 2 * lease) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      status = await deliver(2, 'killed', 'slow')
    }
    const took = performance.now() - killedAt
    process.stdout.write(`      handled again ${(took / 1000).toFixed(1)} s after the kill\n`)
    expect(status).toBe(202)
    expect(took).toBeLessThan(lease + 5_000)
    expect(handled.filter(({ id }) => id === 'killed').map(({ worker }) => worker)).toEqual([0, 2])
    expect(await deliver(3, 'killed', 'slow')).toBe(202)
    expect(timesHandled('killed')).toBe(2)
  })
})
