import { SpanKind, SpanStatusCode, metrics, trace } from '@opentelemetry/api'
import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Events } from '../../src/observability/events'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { startDropIn } from '../support/drop-in'
import { everyEvent } from '../support/every-event'

/** Reads when it is asked to. */
class Reader extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}
}

interface Point {
  attributes: Record<string, unknown>
  value: number | Histogram
}

let simulator: Simulator
let reader: Reader
let meters: MeterProvider
const exporter = new InMemorySpanExporter()
const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })

beforeAll(async () => {
  simulator = await startPagerDuty()
  trace.setGlobalTracerProvider(tracers)
})
beforeEach(() => {
  metrics.disable()
  reader = new Reader()
  meters = new MeterProvider({ readers: [reader] })
  metrics.setGlobalMeterProvider(meters)
  exporter.reset()
})
afterEach(() => meters.shutdown())
afterAll(async () => {
  trace.disable()
  metrics.disable()
  await tracers.shutdown()
  await simulator.close()
})

/** What was measured, by the instrument's name. */
async function measured(): Promise<Map<string, { unit: string; points: Point[] }>> {
  const { resourceMetrics } = await reader.collect()
  const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
  return new Map(
    all.map(({ descriptor: { name, unit }, dataPoints }) => [
      name,
      {
        unit,
        points: (dataPoints as DataPoint<number | Histogram>[]).map(({ attributes, value }) => ({
          attributes,
          value,
        })),
      },
    ]),
  )
}

/** Counts by outcome, or by another attribute. */
function counts(points: Point[] | undefined, attribute = 'passport_pagerduty.outcome') {
  return Object.fromEntries((points ?? []).map(({ attributes, value }) => [attributes[attribute], value]))
}

test('everything that happens is counted, by outcome and reason', async () => {
  await everyEvent(simulator, () => {})
  const all = await measured()
  const of = (name: string) => all.get(`passport_pagerduty.${name}`)?.points
  expect(counts(of('logins'))).toEqual({ ok: 1, failed: 1 })
  expect(counts(of('logins'), 'error.type')).toMatchObject({ ERR_PAGERDUTY_STATE_COOKIE_MISSING: 1 })
  expect(counts(of('state_mismatches'), 'passport_pagerduty.cause')).toEqual({ otherBrowser: 1 })
  expect(counts(of('partial_grants'), 'passport_pagerduty.when')).toEqual({ login: 1 })
  expect(of('denials')).toContainEqual({
    value: 1,
    attributes: {
      'passport_pagerduty.instance': 'pagerduty',
      'passport_pagerduty.action': 'error',
      'error.type': 'insufficient_scope',
      'http.route': '/services',
    },
  })
  expect(counts(of('refreshes'))).toEqual({ ok: 1, skipped: 1, failed: 1 })
  expect(counts(of('app_tokens'))).toEqual({ ok: 1, failed: 1 })
  expect(counts(of('webhooks'))).toEqual({ handled: 1, rejected: 1 })
  expect(of('rate_limits')?.map(({ attributes, value }) => [attributes, value])).toEqual([
    [
      {
        'passport_pagerduty.instance': 'pagerduty',
        'passport_pagerduty.state': 'exhausted',
        'passport_pagerduty.token': 'user',
      },
      1,
    ],
  ])
  // A response of 503 after the refresh that failed, and the revocation in the background.
  expect(counts(of('warnings'), 'error.type')).toEqual({ server_error: 2 })
})

test('a refresh, a wait for a lock and a webhook are timed, in seconds', async () => {
  await everyEvent(simulator, () => {})
  const all = await measured()
  const timed = ['refresh.duration', 'lock.wait.duration', 'webhook.duration'].map((name) => {
    const { unit, points = [] } = all.get(`passport_pagerduty.${name}`) ?? {}
    return { name, unit, ...(points[0]?.value as Histogram) }
  })
  expect(timed.map(({ name, unit, count }) => [name, unit, count])).toEqual([
    ['refresh.duration', 's', 1],
    ['lock.wait.duration', 's', 1],
    ['webhook.duration', 's', 1],
  ])
  // The simulator took 0.3 seconds for the exchange that the other process waited for.
  expect(timed[0]?.sum).toBeGreaterThanOrEqual(0.29)
  expect(timed[0]?.sum).toBeLessThan(60)
  expect(timed[1]?.sum).toBeGreaterThan(0)
  expect(timed[1]?.sum).toBeLessThan(60)
})

test('what is left of a rate limit is measured by kind of token: least of all tokens, until the limit is reset', async () => {
  const remaining = async () =>
    (await measured())
      .get('passport_pagerduty.rate_limit.remaining')
      ?.points.map(({ attributes, value }) => [
        attributes['passport_pagerduty.instance'],
        attributes['passport_pagerduty.token'],
        value,
      ])
      .filter(([instance]) => instance !== 'pagerduty') // of the tests above
  const now = jest.spyOn(performance, 'now').mockReturnValue(1_000)
  const [board, jobs] = [new Events('board'), new Events('jobs')]
  const measure = (events: Events, token: 'user' | 'app', left: number, reset: number) =>
    events.measureRateLimit(token, { remaining: left, limit: 960, reset })
  measure(board, 'user', 500, 30)
  measure(board, 'user', 300, 20)
  measure(board, 'user', 400, 60)
  measure(board, 'app', 959, 60)
  measure(jobs, 'app', 12, 60)
  const app = [
    ['board', 'app', 959],
    ['jobs', 'app', 12],
  ]
  expect(await remaining()).toEqual([['board', 'user', 300], ...app])
  now.mockReturnValue(21_000)
  expect(await remaining()).toEqual([['board', 'user', 960], ...app])
  measure(board, 'user', 950, 60)
  expect(await remaining()).toEqual([['board', 'user', 950], ...app])
  now.mockRestore()
})

test('login, refresh and app token requests are spans, and a failure is one with its reason', async () => {
  await everyEvent(simulator, () => {})
  const spans = exporter.getFinishedSpans().map(({ name, kind, status, attributes }) => ({
    name,
    kind,
    status: status.code,
    message: status.message,
    'http.response.status_code': attributes['http.response.status_code'],
    'error.type': attributes['error.type'],
  }))
  const ok = { kind: SpanKind.CLIENT, status: SpanStatusCode.UNSET, 'http.response.status_code': 200 }
  expect(spans).toEqual([
    { name: 'passport-pagerduty login', ...ok },
    { name: 'passport-pagerduty refresh', ...ok },
    {
      name: 'passport-pagerduty refresh',
      kind: SpanKind.CLIENT,
      status: SpanStatusCode.ERROR,
      message: 'server_error',
      'http.response.status_code': 500,
      'error.type': 'server_error',
    },
    { name: 'passport-pagerduty app token', ...ok },
    { name: 'passport-pagerduty app token', ...ok },
  ])
  expect(exporter.getFinishedSpans()[0]?.attributes).toEqual({
    'passport_pagerduty.instance': 'pagerduty',
    'passport_pagerduty.grant_type': 'authorization_code',
    'http.request.method': 'POST',
    'server.address': new URL(simulator.options().identityURL).hostname,
    'http.response.status_code': 200,
  })
})

test('no secret shows in spans and measurements', async () => {
  await everyEvent(simulator, () => {})
  const spans = exporter
    .getFinishedSpans()
    .map(({ name, attributes, events, status }) => ({ name, attributes, events, status }))
  const shown = JSON.stringify([spans, [...(await measured())]])
  expect(shown).toContain('passport-pagerduty refresh')
  expect(shown).not.toMatch(/CANARY|pd(us|eu)\+_|simulator-secret/)
})

test('an SDK that is registered after the first event counts from then on', async () => {
  metrics.disable()
  const events = new Events()
  events.emit('warning', { error: new Error('before') })
  metrics.setGlobalMeterProvider(meters)
  events.emit('warning', { error: new TypeError('after') })
  const all = await measured()
  expect(counts(all.get('passport_pagerduty.warnings')?.points, 'error.type')).toEqual({ TypeError: 1 })
})

test('an SDK that throws is warned about, and the login comes about', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  jest.spyOn(meters, 'getMeter').mockImplementation(() => {
    throw new Error('the SDK')
  })
  const app = await startDropIn(simulator)
  const { finished } = await app.logIn()
  expect(finished.status).toBe(302)
  expect(warned).toHaveBeenCalledWith(expect.objectContaining({ message: 'the SDK' }))
  warned.mockRestore()
  await app.close()
})
