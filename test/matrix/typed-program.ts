/** A user's app, with what has to be typed and what must not compile. */
export const use = `
import express = require('express')
import { type LoggedIn, pagerduty, PagerDutyStrategy, type Scope, type TokenStore } from 'passport-pagerduty'
import { type LoginAgent, loginAs, startPagerDuty, testTokenStore } from 'passport-pagerduty/testing'

export const app = express()
const pd = pagerduty({ scope: ['incidents.read', 'users.read'] })
app.use(pd.auth())
app.get('/', pd.requireScopes('incidents.read'), async (req, res) => {
  const id: string | undefined = req.pagerduty.user?.id
  // @ts-expect-error: scopes are no number, and nothing is any
  const wrong: number = req.pagerduty.grantedScopes
  const answer = await req.pagerduty.fetch('/incidents')
  const status: number = answer.status
  res.json({ id, wrong, status, path: req.path })
})
app.get('/me', pd.requireLogin(), (req, res) => {
  const { user, grantID }: LoggedIn = req.pagerduty.requireLogin()
  const own: Express.User | undefined = req.user
  res.json({ id: user.id, grantID, own })
})
app.post('/webhooks', pd.webhook(async (event, { fetch }) => {
  if (event.event_type === 'incident.triggered') await fetch(\`/incidents/\${event.data.id}\`)
}))
app.use(pd.errors())
// @ts-expect-error: a misspelt scope
pd.requireScopes('incidents.raed')
pd.on('login', ({ user }) => user.id)

export const scope: Scope = 'users.read'
export function strategyWith(tokenStore: TokenStore): PagerDutyStrategy {
  const client = { clientID: 'a', clientSecret: 'b', callbackURL: 'https://app.example/cb', scope: [scope], tokenStore }
  return new PagerDutyStrategy(client, async ({ user, tokens }, req) => ({ id: user.id, scope: tokens.scope, path: req.path }))
}

// Types of supertest are not needed for this.
export async function logIn(agent: LoginAgent): Promise<LoginAgent> {
  const simulator = await startPagerDuty()
  pagerduty({ ...simulator.options(), callbackURL: 'http://localhost:3000/auth/pagerduty/callback', scope: 'users.read' })
  // @ts-expect-error: no such fault
  simulator.failNext('token', 'nonsense')
  return loginAs(agent, 'PACME01')
}
export const battery = testTokenStore
`

/** The same user with sessions, a Redis client, Passport and supertest, each with its types. */
export const session = `
import sessions = require('express-session')
import passport = require('passport')
import request = require('supertest')
import { Redis } from 'ioredis'
import { metrics } from '@opentelemetry/api'

declare module 'express-session' {
  interface SessionData { visits: number }
}
app.get('/visits', pd.requireLogin(), (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1
  // @ts-expect-error: a number
  req.session.visits = 'many'
  res.json({ visits: req.session.visits, id: req.pagerduty.user?.id, subject: req.user })
})
passport.use(pd.strategy)
app.use(sessions({ secret: 'x' }), passport.session(), pd.sessionTokens())
export const withRedis = pagerduty({ redis: new Redis('redis://127.0.0.1', { lazyConnect: true }) })
export async function agent(): Promise<number> {
  const one = await loginAs(request.agent(app), 'PACME01')
  return (await one.get('/')).status
}
export const meter = metrics.getMeter('mine')
`
