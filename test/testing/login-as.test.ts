import express, { type Express } from 'express'
import session from 'express-session'
import request from 'supertest'
import { type PagerDuty, pagerduty } from '../../src'
import { type Simulator, defaultClient, loginAs, startPagerDuty, testClock } from '../../src/testing'
import { optionsAt, passportWith, secret } from '../support/passport-app'

let simulator: Simulator
let pd: PagerDuty | undefined

beforeAll(async () => {
  const redirectURIs = [
    'http://localhost:3000/auth/pagerduty/callback',
    'http://localhost:3000/in/callback',
    'https://app.example/auth/pagerduty/callback',
  ]
  simulator = await startPagerDuty({ clients: [{ ...defaultClient, redirectURIs }] })
})
afterEach(() => pd?.close())
afterAll(() => simulator.close())

function makeApp(
  callbackURL = 'http://localhost:3000/auth/pagerduty/callback',
  scope = 'incidents.read',
): Express {
  const app = express()
  const made = pagerduty({ ...simulator.options(), scope, callbackURL })
  pd = made
  app.use(made.auth())
  app.get('/me', made.requireLogin(), (req, res) => void res.json(req.pagerduty.user?.id))
  app.get('/incidents', made.requireScopes('incidents.read'), async (req, res) => {
    const answer = await req.pagerduty.fetch('/incidents')
    res.status(answer.status).json(await answer.json())
  })
  app.use(made.errors())
  return app
}

test.each([
  ['http', 'http://localhost:3000/auth/pagerduty/callback'],
  ['https, behind a proxy', 'https://app.example/auth/pagerduty/callback'],
])('loginAs logs an agent in to an app that is reached by %s', async (_how, callbackURL) => {
  const agent = await loginAs(request.agent(makeApp(callbackURL)), 'PACME02')
  expect((await agent.get('/me')).body).toBe('PACME02')
  expect((await agent.get('/incidents')).status).toBe(200)
})

test('loginAs finds the login where the app has put it', async () => {
  const agent = request.agent(makeApp('http://localhost:3000/in/callback'))
  await loginAs(agent, { path: '/in' })
  expect((await agent.get('/me')).body).toBe('PACME01')
})

test('loginAs takes a page of the app’s own for the end of a login', async () => {
  const made = pagerduty(optionsAt('http://localhost:3000', simulator))
  pd = made
  const passport = passportWith(made.strategy)
  const app = express()
  app.use(session({ secret, resave: false, saveUninitialized: false }), passport.session())
  app.use(made.sessionTokens())
  app.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  app.get('/auth/pagerduty/callback', passport.authenticate('pagerduty'), (_req, res) => void res.send('In.'))
  app.get('/me', (req, res) => void res.json(req.pagerduty.user?.id))
  const clock = testClock()
  const agent = await loginAs(request.agent(app), 'PACME02')
  clock.advance(2 * 60_000)
  expect((await agent.get('/me')).body).toBe('PACME02')
  clock.restore()
})

test('loginAs says what the app says when there is no login', async () => {
  const agent = request.agent(makeApp())
  await expect(loginAs(agent, { path: '/nowhere' })).rejects.toThrow(
    '/nowhere begins no login: the app responded with 404',
  )
  simulator.failNext('token', 'invalid_client')
  await expect(loginAs(agent)).rejects.toThrow('The login did not succeed: the app responded with 503')
})

test('loginAs says what the simulator says, as text', async () => {
  await expect(loginAs(request.agent(makeApp()), 'PNOBODY')).rejects.toThrow(
    'There is no user "PNOBODY" at this simulator.',
  )
})

test('an app goes on when its tokens are expired at PagerDuty', async () => {
  const agent = await loginAs(request.agent(makeApp()))
  simulator.resetCalls()
  simulator.expireTokens()
  await agent.get('/incidents').expect(200)
  expect(simulator.calls.token.refresh_token).toBe(1)
})

test('a clock in the test’s hands ends sessions, and tokens for the app and PagerDuty alike', async () => {
  const clock = testClock()
  simulator.settings.accessTokenLifetime = 3600
  const agent = await loginAs(request.agent(makeApp()))
  simulator.resetCalls()
  clock.advance(2 * 60 * 60_000)
  await agent.get('/incidents').expect(200)
  expect(simulator.calls.token.refresh_token).toBe(1)
  clock.advance(9 * 60 * 60_000)
  await agent.get('/incidents').expect(401)
  clock.restore()
  simulator.settings.accessTokenLifetime = undefined
})

test('a test’s clock moves the time from now on, and gives it back', () => {
  const before = Date.now()
  const clock = testClock()
  clock.advance(60_000)
  const moved = [Date.now(), clock.now(), Number(new Date())]
  expect(Math.min(...moved)).toBeGreaterThanOrEqual(before + 60_000)
  expect(new Date(5).getTime()).toBe(5)
  clock.restore()
  expect(Date.now()).toBeLessThan(before + 60_000)
})
