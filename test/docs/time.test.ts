import express from 'express'
import request from 'supertest'
import { pagerduty } from '../../src'
import { type Simulator, loginAs, startPagerDuty, testClock } from '../../src/testing'

const hours = 60 * 60_000
const restore: (() => unknown)[] = []
let simulator: Simulator

afterEach(async () => {
  for (const one of restore.splice(0)) await one()
})

/** Statuses of a page behind a guard, for a user who is logged in. */
async function logIn(): Promise<() => Promise<number>> {
  simulator = await startPagerDuty()
  const callbackURL = 'http://localhost:3000/auth/pagerduty/callback'
  const pd = pagerduty({ ...simulator.options(), callbackURL, scope: 'incidents.read' })
  restore.unshift(
    () => pd.close(),
    () => simulator.close(),
  )
  const app = express().use(pd.auth())
  app.get('/page', pd.requireScopes('incidents.read'), async (req, res) => {
    await req.pagerduty.fetch('/incidents')
    res.end()
  })
  app.use(pd.errors())
  const agent = await loginAs(request.agent(app))
  return async () => (await agent.get('/page')).status
}

test('fake timers end a session where they advance, and not where they only set the date', async () => {
  restore.push(() => jest.useRealTimers())
  const visit = await logIn()
  jest.useFakeTimers({ now: Date.now() + 9 * hours })
  expect(await visit()).toBe(200)
  jest.setSystemTime(Date.now() + 9 * hours)
  expect(await visit()).toBe(200)
  jest.advanceTimersByTime(9 * hours)
  expect(await visit()).toBe(401)
})

test('the request after a failed refresh gets 503 too, until two seconds have passed', async () => {
  const visit = await logIn()
  const clock = testClock()
  restore.push(() => clock.restore())
  simulator.expireTokens()
  simulator.failNext('token', '503')
  expect(await visit()).toBe(503)
  expect(await visit()).toBe(503)
  expect(simulator.calls.token.refresh_token).toBe(1)
  clock.advance(2_000)
  expect(await visit()).toBe(200)
})
