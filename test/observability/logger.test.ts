import { type Logger, pagerduty } from '../../src'
import { logEvents } from '../../src/observability/logger'
import { Events } from '../../src/observability/events'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { startDropIn } from '../support/drop-in'
import { everyEvent } from '../support/every-event'

const levels = ['debug', 'info', 'warn', 'error'] as const

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

/** A logger with these levels, and what it was given. */
function writing(...names: (typeof levels)[number][]): {
  logger: Logger
  lines: [string, string, object | undefined][]
} {
  const lines: [string, string, object | undefined][] = []
  const level = (name: string) => (message: string, detail?: object) =>
    void lines.push([name, message, detail])
  return {
    lines,
    logger: { warn: level('warn'), ...Object.fromEntries(names.map((name) => [name, level(name)])) },
  }
}

const webhook = { receiver: 'webhook', duration: 1, eventType: 'incident.triggered' }

test('everything that happens is a line of its level', async () => {
  const { logger, lines } = writing(...levels)
  await everyEvent(simulator, () => {}, { logger })
  const seen = lines.map(([level, message]) =>
    `${level}: ${message}`
      .replaceAll(/(?<=grant )[\w-]{24}/gi, '…')
      .replaceAll(/\d+ (m?s)\b/g, '… $1')
      .replace(/(not signed).*/, '$1'),
  )
  expect(seen.toSorted()).toEqual(
    [
      'info: Not granted at a login: teams.read',
      'warn: PagerDuty left out teams.read: not configured on the app there, or spelt differently.',
      'info: Login of user PACME01 of acme',
      'info: Callback of no login that can be finished: otherBrowser',
      'info: Login failed: ERR_PAGERDUTY_STATE_COOKIE_MISSING',
      'debug: Denied: GET /services insufficient_scope',
      'warn: Rate limit of user PACME01 of acme exhausted: 0 calls left for … s',
      'debug: Refreshed grant … in … ms',
      'debug: Waited … ms for the refresh of another process',
      'debug: Grant … was refreshed already',
      'warn: Refresh of grant … failed: server_error',
      'info: Logout of user PACME01 of acme',
      'warn: PagerDuty’s token endpoint responded with an error: server_error. See docs/errors.md#server_error',
      'warn: Delivery at webhook: The delivery is not signed',
      'info: App token for us.acme: users.read',
      'warn: No app token for eu.globex: ERR_PAGERDUTY_SCOPE_NOT_GRANTED',
      'debug: Delivery at webhook: handled 202 incident.triggered',
      'info: Delivery at webhook: rejected 403',
    ].toSorted(),
  )
})

test('a line comes with the event’s details', () => {
  const { logger, lines } = writing(...levels)
  const events = new Events()
  logEvents(events, logger)
  events.emit('lockWait', { lock: 'appToken', account: 'us.acme', duration: 12.3 })
  expect(lines).toEqual([
    [
      'debug',
      'Waited 12 ms for the app token of another process',
      { lock: 'appToken', account: 'us.acme', duration: 12.3 },
    ],
  ])
})

test('a failure at PagerDuty or in the store is a warning, one that a visitor can cause is none', () => {
  const { logger, lines } = writing(...levels)
  const events = new Events()
  logEvents(events, logger)
  const failure = (status: number) => Object.assign(new Error('failed'), { status })
  events.emit('loginFailed', { reason: 'one', error: failure(503) })
  events.emit('loginFailed', { reason: 'two', error: failure(403) })
  events.emit('loginFailed', { reason: 'three', error: new Error('verify') })
  events.emit('webhook', { ...webhook, outcome: 'failed', status: 503 })
  events.emit('webhook', { ...webhook, outcome: 'failed', status: 202 })
  expect(lines.map(([level]) => level)).toEqual(['warn', 'info', 'warn', 'warn', 'error'])
})

test('levels that a logger does not have are left out, and an error is a warning', () => {
  const { logger, lines } = writing()
  const events = new Events()
  logEvents(events, logger)
  events.emit('refreshSkipped', { grantID: 'a', version: 2 })
  events.emit('appToken', { account: 'us.acme', scope: ['users.read'], expiresAt: 1 })
  events.emit('webhook', { ...webhook, outcome: 'failed', status: 202 })
  expect(lines.map(([level]) => level)).toEqual(['warn'])
})

test('a logger that throws is warned about, and the login comes about', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const app = await startDropIn(simulator, {
    logger: {
      warn() {},
      info() {
        throw new Error('logger')
      },
    },
  })
  const { finished } = await app.logIn()
  expect(finished.status).toBe(302)
  expect(warned).toHaveBeenCalledWith(expect.objectContaining({ message: 'logger' }))
  warned.mockRestore()
  await app.close()
})

test('without a logger nothing but mistakes and failures is warned about', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  await everyEvent(simulator, () => {})
  const messages = new Set(warned.mock.calls.map(([message]) => String(message).split(/[:.]/)[0]))
  warned.mockRestore()
  expect(messages).toEqual(
    new Set([
      'PagerDuty left out teams',
      'PagerDuty’s token endpoint responded with an error',
      'Delivery at webhook',
    ]),
  )
})

test('console is a logger', async () => {
  const warned = jest.spyOn(console, 'warn').mockImplementation(() => {})
  const callbackURL = 'http://localhost/cb'
  const pd = pagerduty({ ...simulator.options(), callbackURL, scope: 'users.raed', logger: console })
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('did you mean "users.read"?'))
  warned.mockRestore()
  await pd.close()
})
