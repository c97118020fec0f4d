import { Passport } from 'passport'
import { PagerDutyStrategy, type LoginOptions } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn
/** What the app gives the next login. */
let params: LoginOptions['authorizationParams']

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator, {}, (express, pd) => {
    const passport = new Passport()
    passport.use('pagerduty', pd.strategy as never)
    express.get('/by-login', (req, res) => {
      try {
        req.pagerduty.login({ returnTo: '/me', authorizationParams: params })
      } catch (error) {
        res.status(400).json((error as Error).message)
      }
    })
    express.get('/by-passport', (req, res, next) => {
      const options = { authorizationParams: params } as object
      const handler = passport.authenticate('pagerduty', options, (error: Error) => {
        res.status(400).json(error.message)
      }) as (...args: unknown[]) => void
      handler(req, res, next)
    })
  })
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})

const ways = ['/by-login', '/by-passport']

describe.each(ways)('an authorization request that begins %s', (path) => {
  test('carries the extra parameters, and is a login like any other', async () => {
    params = { subdomain: 'acme', service_region: 'eu', prompt: 'a b&state=c#d', login_hint: undefined }
    const browser = new Browser()
    const begun = await app.begin(browser, path)
    const { searchParams } = new URL(begun)
    expect(Object.fromEntries(searchParams)).toMatchObject({
      subdomain: 'acme',
      service_region: 'eu',
      prompt: 'a b&state=c#d',
      response_type: 'code',
      scope: 'incidents.read users.read',
    })
    expect(searchParams.has('login_hint')).toBe(false)
    expect(searchParams.get('state')).toMatch(/^[\w-]{32}$/)
    expect(searchParams.get('nonce')).toMatch(/^[\w-]{22}$/)
    await browser.visit(await approve(begun))
    expect((await app.get(browser, '/me')).status).toBe(200)
  })

  test.each([
    ...['client_id', 'client_secret', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state'],
    ...[
      'nonce',
      'code_challenge',
      'code_challenge_method',
      'code_verifier',
      'request',
      'request_uri',
      'State',
    ],
  ])('does not let %s be replaced', async (name) => {
    params = { [name]: 'evil' }
    const denied = await new Browser().visit(app.url + path)
    expect([denied.status, denied.headers.getSetCookie()]).toEqual([400, []])
    expect(await denied.json()).toBe(`"authorizationParams" has "${name}", which the login itself decides`)
  })

  test.each([' scope', 'scope ', 'scope\n', 'prompt[]', 'a b', ''])(
    'is rejected with an invalid parameter name: %j',
    async (name) => {
      params = { [name]: 'x' }
      const denied = await new Browser().visit(app.url + path)
      expect([denied.status, denied.headers.getSetCookie()]).toEqual([400, []])
      expect(await denied.json()).toBe(
        `"authorizationParams" has ${JSON.stringify(name)}, which is no name of a parameter`,
      )
    },
  )

  test.each<[string, unknown, RegExp]>([
    ['a list for a value', { prompt: ['login', 'consent'] }, /has a "prompt" that is not a string/],
    ['a number for a value', { max_age: 5 }, /has a "max_age" that is not a string/],
    ['a string', 'prompt=login', /must be an object/],
    ['null', null, /must be an object/],
    ['a list', ['prompt'], /must be an object/],
  ])('is rejected with %s', async (_what, wrong, message) => {
    params = wrong as typeof params
    const denied = await new Browser().visit(app.url + path)
    expect([denied.status, await denied.json()]).toEqual([400, expect.stringMatching(message)])
  })
})

test('a link cannot add parameters', async () => {
  const begun = await app.begin(new Browser(), '/auth/pagerduty?prompt=none&authorizationParams[prompt]=none')
  expect(new URL(begun).searchParams.has('prompt')).toBe(false)
})

test('a subclass that adds parameters by the hook of passport-oauth2 gets them too', async () => {
  class Own extends PagerDutyStrategy {
    override authorizationParams(options: object): object {
      return { ...super.authorizationParams(options), audience: 'x' }
    }
  }
  const strategy = new Own({
    ...simulator.options(),
    scope: 'users.read',
    callbackURL: 'http://localhost/callback',
    name: 'own',
  })
  const own = await startDropIn(simulator, {}, (express) => {
    const passport = new Passport()
    passport.use(strategy as never)
    const options = { authorizationParams: { subdomain: 'acme' } } as object
    express.get('/own', passport.authenticate('own', options) as never)
  })
  const { searchParams } = new URL(await own.begin(new Browser(), '/own'))
  expect([searchParams.get('audience'), searchParams.get('subdomain')]).toEqual(['x', 'acme'])
  expect(searchParams.has('nonce')).toBe(true)
  await own.close()
})
