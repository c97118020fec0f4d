import cluster from 'node:cluster'
import { type PagerDutyOptions, pagerduty } from '../../src'

const good: PagerDutyOptions = {
  clientID: 'client',
  clientSecret: 'a client secret',
  callbackURL: 'https://app.example/auth/pagerduty/callback',
  scope: 'incidents.read',
}
const before = { ...process.env }

beforeEach(() => {
  for (const name of Object.keys(process.env))
    if (/^(PAGERDUTY_|SESSION_SECRET|REDIS_URL)/.test(name)) delete process.env[name]
})
afterEach(() => {
  process.env = { ...before }
  jest.restoreAllMocks()
})

test('everything can come from the environment', async () => {
  Object.assign(process.env, {
    PAGERDUTY_CLIENT_ID: 'from the environment',
    PAGERDUTY_CLIENT_SECRET: 'secret',
    PAGERDUTY_CALLBACK_URL: 'https://app.example/cb',
    PAGERDUTY_SCOPE: 'read',
    PAGERDUTY_APP_TYPE: 'classic',
    PAGERDUTY_IDENTITY_URL: 'https://identity.example',
    PAGERDUTY_API_URL: 'https://api.example',
    PAGERDUTY_ISSUER: 'https://one.example,https://two.example',
    SESSION_SECRET: 'abcdefghijklmnopqrstuvwxyz012345,ABCDEFGHIJKLMNOPQRSTUVWXYZ012345',
  })
  const pd = pagerduty()
  expect(pd.strategy._login.grants.client).toMatchObject({
    clientID: 'from the environment',
    callbackURLs: ['https://app.example/cb'],
    scope: ['read'],
    appType: 'classic',
    tokenURL: 'https://identity.example/oauth/token',
    apiURL: 'https://api.example',
    issuers: ['https://one.example', 'https://two.example'],
  })
  await pd.close()
})

test('an option wins over its variable, and an empty variable is none', () => {
  process.env['PAGERDUTY_CLIENT_ID'] = 'other'
  process.env['PAGERDUTY_APP_TYPE'] = ''
  const { client } = pagerduty(good).strategy._login.grants
  expect(client).toMatchObject({ clientID: 'client', appType: 'scoped' })
})

test.each<[string, { [option in keyof PagerDutyOptions]: PagerDutyOptions[option] | undefined }, RegExp]>([
  ['clientID', { clientID: undefined }, /"clientID" is required/],
  [
    'clientSecret',
    { clientSecret: undefined },
    /"clientSecret" is required: PagerDuty gives Scoped OAuth to confidential/,
  ],
  ['clientSecret', { clientSecret: ' ' }, /"clientSecret" is required/],
  ['callbackURL', { callbackURL: undefined }, /"callbackURL" is required: an absolute URL/],
  ['callbackURL', { callbackURL: '/auth/callback' }, /"callbackURL" must be an absolute URL/],
  ['callbackURL', { callbackURL: 'http://app.example/cb' }, /"callbackURL" must be https/],
  ['callbackURL', { callbackURL: 'https://app.example/cb#x' }, /"callbackURL" must have neither/],
  ['scope', { scope: undefined }, /"scope" is required/],
  ['scope', { scope: [] }, /"scope" is required/],
  ['scope', { scope: 'incidents.read write' }, /"scope" has "write", which only Classic/],
  [
    'scope',
    { scope: 'incidents.read', appType: 'classic' },
    /"scope" has "incidents.read", which only Scoped/,
  ],
  [
    'scope',
    { scope: 'as_account-us.acme incidents.read' },
    /"scope" has a scope that begins with as_account-,/,
  ],
  ['appType', { appType: 'other' as never }, /"appType" must be/],
  ['identityURL', { identityURL: 'http://identity.example' }, /"identityURL" must be https/],
  ['name', { name: 'a b' }, /"name" must be/],
  ['secret', { secret: 'short' }, /"secret" must be 32 characters or more/],
  ['secret', { secret: 'a'.repeat(40) }, /"secret" must be 32 characters or more/],
  ['session.idle', { session: { idle: 5 } }, /"session.idle" must be a number of milliseconds/],
  ['redis', { redis: 'localhost:6379' }, /"redis" must be a URL/],
  ['redis', { redis: {} as never }, /"redis" must be a Redis URL or a client of ioredis, iovalkey or redis/],
])('a mistake in %s is rejected with a message that names it (%j)', (option, change, message) => {
  expect(() => pagerduty({ ...good, ...change } as PagerDutyOptions)).toThrow(
    expect.objectContaining({ name: 'ConfigurationError', option }),
  )
  expect(() => pagerduty({ ...good, ...change } as PagerDutyOptions)).toThrow(message)
})

test('in production a secret is demanded, and memory is warned about once', () => {
  process.env['NODE_ENV'] = 'production'
  expect(() => pagerduty({ ...good, logger: { warn() {} } })).toThrow(/"secret" is required in production/)
  const warn = jest.fn()
  const pd = pagerduty({ ...good, secret: 'abcdefghijklmnopqrstuvwxyz012345', logger: { warn } })
  pd.auth()
  expect(warn.mock.calls).toEqual([[expect.stringContaining('"tokenStore" is in memory')]])
})

test('in a cluster worker memory is rejected', () => {
  jest.replaceProperty(cluster, 'isWorker', true)
  expect(() => pagerduty(good)).toThrow(/"tokenStore" must not be in memory in a cluster/)
})
