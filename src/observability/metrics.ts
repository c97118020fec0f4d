import type { Counter, Histogram, Meter, MeterProvider } from '@opentelemetry/api'
import type { PagerDutyEvents } from './event-types'
import { reasonOf } from '../errors/errors'
import { meterProvider, scope } from './opentelemetry'

const own = 'passport_pagerduty'

/** What is counted, and what its numbers are of. */
const counted = {
  logins: ['{login}', 'Logins that succeeded or failed'],
  state_mismatches: ['{callback}', 'Callbacks that belong to no login that can be finished'],
  partial_grants: ['{grant}', 'Grants of less than was requested'],
  denials: ['{request}', 'Requests that a guard denied'],
  refreshes: [
    '{refresh}',
    'Refreshes that gave a token, failed, or found that another process had been first',
  ],
  app_tokens: ['{token}', 'App tokens that PagerDuty issued or denied'],
  webhooks: ['{delivery}', 'Webhook deliveries by outcome'],
  rate_limits: ['{window}', 'Rate limits of the REST API that were nearly or quite exhausted'],
  warnings: ['{warning}', 'Failures behind responses of 500 or more, and in the background'],
} as const

/** What takes time; measured in seconds, as semantic conventions have it. */
const timed = {
  'refresh.duration': 'Exchange of a refresh token, including storing the new tokens',
  'lock.wait.duration': 'Wait for a refresh or token request of another process',
  'webhook.duration': 'From the arrival of a webhook delivery to its outcome',
} as const

interface Remaining {
  readonly attributes: Readonly<Record<string, string>>
  readonly value: number
  readonly limit: number
  /** By `performance.now()`. */
  readonly until: number
}

/** What is left of rate limits, by instance and kind of token: of the token that has the fewest calls left. */
const remaining = new Map<string, Remaining>()

/** The buckets that semantic conventions give to the durations of HTTP requests. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

interface Instruments {
  readonly count: Readonly<Record<keyof typeof counted, Counter>>
  readonly time: Readonly<Record<keyof typeof timed, Histogram>>
}

/** Where an event goes: a count with its attributes, or a time. */
interface Note {
  count(name: keyof typeof counted, attributes: Readonly<Record<string, string>>): void
  time(name: keyof typeof timed, milliseconds: number, attributes?: Readonly<Record<string, string>>): void
}

const outcome = (name: string) => ({ [`${own}.outcome`]: name })
const ok = outcome('ok')
const failed = (reason: string) => ({ ...outcome('failed'), 'error.type': reason })

const measures: {
  readonly [Name in keyof PagerDutyEvents]?: (detail: PagerDutyEvents[Name][0], note: Note) => void
} = {
  login: (_, note) => note.count('logins', ok),
  loginFailed: ({ reason }, note) => note.count('logins', failed(reason)),
  stateMismatch: ({ cause }, note) => note.count('state_mismatches', { [`${own}.cause`]: cause }),
  partialGrant: ({ when }, note) => note.count('partial_grants', { [`${own}.when`]: when }),
  denied: ({ reason, action, route }, note) =>
    note.count('denials', {
      [`${own}.action`]: action,
      'error.type': reason,
      ...(route !== undefined && { 'http.route': route }),
    }),
  refresh({ duration }, note) {
    note.count('refreshes', ok)
    note.time('refresh.duration', duration)
  },
  refreshFailed: ({ reason }, note) => note.count('refreshes', failed(reason)),
  refreshSkipped: (_, note) => note.count('refreshes', outcome('skipped')),
  appToken: (_, note) => note.count('app_tokens', ok),
  appTokenFailed: ({ reason }, note) => note.count('app_tokens', failed(reason)),
  lockWait: ({ lock, duration }, note) =>
    note.time('lock.wait.duration', duration, { [`${own}.lock`]: lock }),
  webhook({ receiver, outcome: name, duration }, note) {
    const attributes = { [`${own}.receiver`]: receiver, ...outcome(name) }
    note.count('webhooks', attributes)
    note.time('webhook.duration', duration, attributes)
  },
  rateLimit: ({ state, token }, note) =>
    note.count('rate_limits', { [`${own}.state`]: state, [`${own}.token`]: token }),
  warning: ({ error }, note) => note.count('warnings', { 'error.type': reasonOf(error) }),
}

/** Measures an event with OpenTelemetry, where the app has it. */
export function measure<Name extends keyof PagerDutyEvents>(
  instance: string,
  name: Name,
  detail: PagerDutyEvents[Name][0],
): void {
  const provider = meterProvider()
  const measured = measures[name]
  if (provider === undefined || measured === undefined) return
  const { count, time } = instrumentsOf(provider)
  const common = { [`${own}.instance`]: instance }
  measured(detail, {
    count: (what, attributes) => count[what].add(1, { ...common, ...attributes }),
    time: (what, milliseconds, attributes) =>
      time[what].record(milliseconds / 1000, { ...common, ...attributes }),
  })
}

/** How many calls of a limit are left; all of them in `reset` seconds. */
export interface CallsLeft {
  readonly remaining: number
  readonly limit: number
  readonly reset: number
}

/** Keeps it for the gauge, unless another token has fewer left. */
export function measureRateLimit(
  instance: string,
  token: 'user' | 'app',
  { remaining: value, limit, reset }: CallsLeft,
): void {
  const provider = meterProvider()
  if (provider === undefined) return
  instrumentsOf(provider)
  const key = `${instance} ${token}`
  const now = performance.now()
  const fewest = remaining.get(key)
  if (fewest !== undefined && now < fewest.until && fewest.value <= value) return
  const attributes = { [`${own}.instance`]: instance, [`${own}.token`]: token }
  remaining.set(key, { attributes, value, limit, until: now + reset * 1000 })
}

const made = new WeakMap<MeterProvider, Instruments>()

function instrumentsOf(provider: MeterProvider): Instruments {
  let instruments = made.get(provider)
  if (instruments === undefined) made.set(provider, (instruments = makeInstruments(provider.getMeter(scope))))
  return instruments
}

function makeInstruments(meter: Meter): Instruments {
  const count = Object.entries(counted).map(([name, [unit, description]]) => {
    return [name, meter.createCounter(`${own}.${name}`, { unit, description })]
  })
  const advice = { explicitBucketBoundaries: buckets }
  const description = 'Calls of the REST API that the token with the fewest has left'
  const gauge = meter.createObservableGauge(`${own}.rate_limit.remaining`, { unit: '{call}', description })
  gauge.addCallback((result) => {
    for (const { value, limit, attributes, until } of remaining.values()) {
      // An SDK repeats what is not observed any more.
      result.observe(performance.now() < until ? value : limit, attributes)
    }
  })
  const time = Object.entries(timed).map(([name, description]) => {
    return [name, meter.createHistogram(`${own}.${name}`, { unit: 's', description, advice })]
  })
  return { count: Object.fromEntries(count), time: Object.fromEntries(time) } as Instruments
}
