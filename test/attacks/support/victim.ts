// The app that is attacked: one process around the packed package. What is particular about it comes in VICTIM.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { RedisStore } from 'connect-redis'
import express, { type Express, type Request, type Response } from 'express'
import session from 'express-session'
import { Redis } from 'ioredis'
import { Passport } from 'passport'
import { type PagerDuty, type PagerDutyOptions, pagerduty } from '../../../src'
import { callbackRoutes } from './victim-callback'
import { indiscreet, tellAll } from './victim-canaries'
import { guardedRoutes, misplacedGuards } from './victim-guards'
import { regionsAt } from './victim-regions'
import { sessionRoutes } from './victim-sessions'
import type { Answer, Order, VictimSettings } from './victim-settings'
import { webhookRoutes } from './victim-webhooks'

const settings = JSON.parse(process.env['VICTIM'] ?? '{}') as VictimSettings

const clock = Date.now.bind(Date)
const monotonic = performance.now.bind(performance)
let offset = 0
let stoppedAt: number | undefined
Date.now = () => stoppedAt ?? clock() + offset
performance.now = () => monotonic() + offset
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget) as Date,
})

const say = (message: Answer) => void process.send?.(message)
process.on('unhandledRejection', (reason) => say({ problem: `unhandled rejection: ${inspect(reason)}` }))
process.on('uncaughtException', (error) => say({ problem: `uncaught exception: ${inspect(error)}` }))

let handled = 0
const ran = () => void (handled += 1)
const app = express()
if (settings.queryParser) app.set('query parser', settings.queryParser)
if (settings.trustProxy) app.set('trust proxy', true)
const server = createServer(app)
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pd = pagerduty({
    callbackURL: `${url}/auth/pagerduty/callback`,
    scope: ['incidents.read', 'users.read'],
    ...behaviours(),
    ...settings.options,
  })
  // Their scopes are those of Scoped apps.
  const isScoped = settings.options?.appType !== 'classic'
  if (isScoped) misplacedGuards(app, pd, ran)
  if (settings.style === 'drop-in') app.use(pd.auth())
  else byHand(app, pd)
  if (settings.tellsAll) tellAll(app, pd)
  routes(app, pd)
  if (isScoped) guardedRoutes(app, pd, ran)
  sessionRoutes(app)
  callbackRoutes(app, pd, settings, url)
  if (!settings.plainErrors) app.use(pd.errors())
  process.on('message', ({ id, order }: { id: number; order: Order }) => {
    obey(pd, order).then(
      (result) => say({ id, result }),
      (error: unknown) => say({ id, failure: String(error) }),
    )
  })
  say({ url })
})
process.on('disconnect', () => process.exit())

/** What options can do that is no JSON. */
function behaviours(): PagerDutyOptions {
  const { verify, regions } = settings
  return {
    ...(regions !== undefined && { fetch: regionsAt(regions) }),
    ...(settings.tellsAll && indiscreet),
    ...(verify === 'throws' && {
      verify: async () => {
        throw new Error('The user table is gone')
      },
    }),
    ...(verify === 'refuses' && { verify: async () => false as const }),
  }
}

/** As an app does that had Passport and express-session before. */
function byHand(to: Express, pd: PagerDuty): void {
  const passport = new Passport()
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user: Express.User, done) => done(null, user))
  passport.use(pd.strategy as never)
  const redis = settings.redis === undefined ? undefined : new Redis(settings.redis)
  const store = redis && new RedisStore({ client: redis, prefix: 'app:' })
  const { secret = 'an app secret of thirty-two characters or more' } = settings.options ?? {}
  to.use(
    session({
      secret: secret as string,
      resave: settings.resave ?? false,
      saveUninitialized: false,
      ...(store && { store }),
    }),
  )
  to.use(passport.session(), pd.sessionTokens())
  to.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  to.get(
    '/auth/pagerduty/callback',
    passport.authenticate('pagerduty', { successReturnToOrRedirect: '/', failureRedirect: '/failed' }),
  )
  to.post('/auth/pagerduty/logout', (req, res, next) =>
    req.logout((error) => (error ? next(error) : res.json('bye'))),
  )
}

function routes(to: Express, pd: PagerDuty): void {
  const isClassic = settings.options?.appType === 'classic'
  to.get('/', (req, res) => void res.json({ user: req.pagerduty?.user?.id ?? null }))
  to.get('/failed', (_req, res) => void res.status(401).json('The login failed'))
  // Each of these counts how often it ran, since what must not run must not have run.
  to.all('/me', pd.requireLogin(), (req, res) => {
    handled += 1
    res.json({ user: req.pagerduty.user, scope: req.pagerduty.grantedScopes })
  })
  const incidents = async (req: Request, res: Response): Promise<void> => {
    handled += 1
    const answer = await req.pagerduty.fetch('/incidents')
    res.status(answer.status).json(await answer.json())
  }
  // Express 4 waits for no promise.
  to.get('/incidents', pd.requireScopes(isClassic ? 'read' : 'incidents.read'), (req, res, next) => {
    incidents(req, res).catch(next)
  })
  to.all('/services', pd.requireScopes(isClassic ? 'write' : 'services.read'), (_req, res) => {
    handled += 1
    res.json('services')
  })
  // Changes the session and takes its time to end.
  to.get('/views', async (req, res) => {
    const kept = (req as unknown as { session: { views?: number } }).session
    kept.views = (kept.views ?? 0) + 1
    await pause(Number(req.query['wait'] ?? 0))
    res.json({ views: kept.views })
  })
  // What a careless developer lets out.
  to.get('/inspect', (req, res) => {
    const all = { depth: 12, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }
    const { session: kept } = req as Request & { session?: unknown }
    const parts = [pd, pd.strategy, pd.grants, req.pagerduty, kept, req.user]
    res.type('text').send(parts.map((part) => inspect(part, all)).join('\n'))
  })
  if (settings.options?.webhookSecret === undefined) return
  webhookRoutes(to, pd, ran)
  to.post(
    '/webhook',
    pd.webhook((event) => {
      handled += 1
      if (event.event_type === 'incident.priority_updated') throw new Error('The handler failed')
    }),
  )
}

async function obey(pd: PagerDuty, order: Order): Promise<unknown> {
  switch (order.kind) {
    case 'clock':
      offset = order.offset
      stoppedAt = order.stoppedAt
      return true
    case 'handled':
      return handled
    case 'size': {
      const { gc } = globalThis as { gc?: () => void }
      for (let i = 0; i < 3; i++) {
        gc?.()
        await pause(10)
      }
      const { heapUsed, rss } = process.memoryUsage()
      return { heapUsed, rss, peak: process.resourceUsage().maxRSS * 1024 }
    }
    case 'revoke':
      await pd.grants.revoke(order.owner)
      return true
    case 'token':
      return (await pd.appTokens.getToken(order.scope)).scope
    case 'close':
      await pd.close()
      return true
  }
}
