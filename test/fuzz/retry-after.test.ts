import fc from 'fast-check'
import { apiError } from '../../src/oauth/api-error'
import { CircuitBreaker } from '../../src/oauth/circuit-breaker'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { MemoryTokenStore } from '../../src/store/memory-token-store'
import { parseRetryAfter } from '../../src/http/retry-after'
import { runs } from './runs'

const quarterOfAnHour = 15 * 60
const now = Date.UTC(2026, 0, 1, 12, 0, 0)

beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(now)
})
afterEach(() => {
  jest.restoreAllMocks()
})

const moment = fc.date({ noInvalidDate: true, min: new Date(now - 4e9), max: new Date(now + 4e9) })
const httpDate = moment.map((date) => date.toUTCString())
const seconds = fc.oneof(
  fc.nat(2_000).map(String),
  fc.bigInt({ min: 0n }).map(String),
  fc.double({ min: 0, max: 2_000, noNaN: true }).map((value) => value.toFixed(3)),
)
/** What is neither seconds nor a date of HTTP, some of which `Date.parse` makes a date of. */
const nonsense = fc.oneof(
  fc.integer({ max: -1 }).map(String),
  fc
    .tuple(seconds, fc.constantFrom('s', ' s', 'e3', '.', ',', ', 60', '; 60', ' seconds', '%', 'm', ' 12'))
    .map((it) => it.join('')),
  fc.constantFrom(
    '',
    'soon',
    'NaN',
    'Infinity',
    '-0',
    '+5',
    '0x10',
    '1e3',
    '5 minutes',
    'May',
    '12:00',
    '2026-06',
    '2027-01-01',
  ),
  fc.constantFrom('١٢', '１２').map((digits) => encodeURIComponent(digits)),
  moment.map((date) => date.toISOString()),
  fc
    .string({ unit: fc.constantFrom(...'0123456789 -+:,.eExXGMTZ'), maxLength: 20 })
    .filter((it) => !/^ *\d+(\.\d+)? *$/.test(it)),
  fc
    .string({ unit: 'grapheme-ascii', maxLength: 30 })
    .filter((it) => !/^ *(\d+(\.\d+)?|[A-Z][a-z]+,? .*) *$/.test(it)),
)
const value = fc.oneof(seconds, httpDate, nonsense)
const optional = fc.option(value, { nil: undefined })

function headersOf(retryAfter: string | undefined, reset: string | undefined): Headers {
  const headers = new Headers()
  if (retryAfter !== undefined) headers.set('Retry-After', retryAfter)
  if (reset !== undefined) headers.set('ratelimit-reset', reset)
  return headers
}

describe('how long to wait', () => {
  it('is in whole seconds, up to a quarter of an hour, or not set at all', () => {
    fc.assert(
      fc.property(optional, optional, (retryAfter, reset) => {
        const wait = parseRetryAfter(headersOf(retryAfter, reset)) ?? 0
        expect(Number.isInteger(wait) && wait >= 0 && wait <= quarterOfAnHour).toBe(true)
      }),
      runs(2_000),
    )
  })

  it('is as many seconds as are written, never less', () => {
    fc.assert(
      fc.property(seconds, nonsense, (text, other) => {
        const expected = Math.min(Math.ceil(Number(text)), quarterOfAnHour)
        expect(parseRetryAfter(headersOf(text, other))).toBe(expected)
        expect(parseRetryAfter(headersOf(other, text))).toBe(expected)
      }),
      runs(1_000),
    )
  })

  it('is the time until the date of HTTP, none where that is over', () => {
    fc.assert(
      fc.property(httpDate, (text) => {
        const left = (new Date(text).getTime() - now) / 1000
        expect(parseRetryAfter(headersOf(text, undefined))).toBe(Math.min(Math.max(left, 0), quarterOfAnHour))
      }),
      runs(1_000),
    )
  })

  // Nought would have it tried again at once.
  it('is not known where something else is written', () => {
    fc.assert(
      fc.property(nonsense, (text) => {
        expect(parseRetryAfter(headersOf(text, undefined))).toBeUndefined()
      }),
      runs(2_000),
    )
  })

  it('is the same for errors of the API, and for the responses they lead to', async () => {
    await fc.assert(
      fc.asyncProperty(
        optional,
        optional,
        fc.constantFrom(429, 500, 503),
        async (retryAfter, reset, status) => {
          const headers = headersOf(retryAfter, reset)
          const error = await apiError(new Response('{}', { status, headers }))
          expect(error).toMatchObject({ headers: { 'Retry-After': String(parseRetryAfter(headers) ?? 5) } })
        },
      ),
      runs(200),
    )
  })
})

describe('a pause after failures', () => {
  it('ends within a quarter of an hour, however many there are and whatever PagerDuty requests', async () => {
    const failure = fc.record({
      httpStatus: fc.constantFrom(undefined, 400, 401, 429, 500, 503),
      error: fc.constantFrom(undefined, 'invalid_client', 'invalid_grant', 'unauthorized_client'),
      isTransient: fc.boolean(),
      wait: optional,
      grant: fc.constantFrom('one', 'two'),
      after: fc.nat(quarterOfAnHour * 1000),
    })
    const clock = jest.spyOn(performance, 'now')
    await fc.assert(
      fc.asyncProperty(fc.array(failure, { maxLength: 12 }), async (failures) => {
        const store = new MemoryTokenStore()
        const breaker = new CircuitBreaker(store, 'the-client')
        let time = 1_000
        for (const { wait, grant, after, ...details } of failures) {
          time += after
          clock.mockReturnValue(time)
          const retryAfter = parseRetryAfter(headersOf(wait, undefined))
          const error = new TokenEndpointError('No', { ...details, code: 'no', status: 503, retryAfter })
          await breaker.recordFailure(grant, error)
          for (const id of ['one', 'two', 'three']) {
            const left = breaker.openError(id)?.retryAfter ?? 0
            expect(left >= 0 && left <= quarterOfAnHour).toBe(true)
          }
          clock.mockReturnValue(time + quarterOfAnHour * 1000)
          expect(['one', 'two', 'three'].some((id) => breaker.openError(id) !== undefined)).toBe(false)
        }
        store.close()
      }),
      runs(200),
    )
  })
})
