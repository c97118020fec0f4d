import type { Express } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import { type PagerDuty, type PagerDutyOptions, pagerduty } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { programs } from '../support/programs'
import { type RedisServer, startRedis } from '../support/redis'

const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let redis: RedisServer | undefined
let app: RunningApp & { instances: PagerDuty[] }
let browser: Browser

beforeAll(async () => {
  simulator = await startPagerDuty({
    clients: [
      { clientID: 'scoped', clientSecret: 'one', scope: ['incidents.read', 'services.read'] },
      { clientID: 'classic', clientSecret: 'two', appType: 'classic', scope: ['write'] },
    ],
  })
  if (programs['redis-server'] !== undefined) redis = await startRedis()
})
afterAll(async () => {
  await redis?.stop()
  await simulator.close()
})
afterEach(async () => {
  await Promise.all(app.instances.map((instance) => instance.close()))
  await app.close()
})

/** A way to mount both: with `pd.auth()`, or as individual middleware with one Passport and one session of the app's own. */
type Mount = (express: Express, scoped: PagerDuty, classic: PagerDuty) => void

const asDropIns: Mount = (express, scoped, classic) => express.use(scoped.auth(), classic.auth())

const asParts: Mount = (express, scoped, classic) => {
  const passport = new Passport()
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user: Express.User, done) => done(null, user))
  express.use(session({ secret, resave: false, saveUninitialized: false }), passport.session())
  for (const instance of [scoped, classic]) {
    const { name } = instance.strategy
    passport.use(instance.strategy as never)
    express.use(instance.sessionTokens())
    express.get(`/auth/${name}`, passport.authenticate(name))
    const done = { successReturnToOrRedirect: '/', failureRedirect: '/login' }
    express.get(`/auth/${name}/callback`, passport.authenticate(name, done))
  }
}

const stores = programs['redis-server'] === undefined ? ['memory'] : ['memory', 'Redis']

describe.each([
  ['drop-ins', asDropIns],
  ['parts', asParts],
] as const)('two instances in one app, as %s', (_how, mount) => {
  describe.each(stores)('over %s', (store) => {
    beforeEach(async () => {
      browser = new Browser()
      const instances: PagerDuty[] = []
      const running = await serve((express, url) => {
        const options = (name: string, client: string): PagerDutyOptions => ({
          ...simulator.options(client),
          ...(store === 'Redis' && { redis: redis?.url as string }),
          secret,
          name,
          callbackURL: `${url}/auth/${name}/callback`,
        })
        const scoped = pagerduty({ ...options('pagerduty', 'scoped'), scope: 'incidents.read' })
        const classic = pagerduty({ ...options('classic', 'classic'), scope: 'write' })
        instances.push(scoped, classic)
        mount(express, scoped, classic)
        express.get('/', (req, res) => {
          const { classic: other } = req as unknown as { classic: typeof req.pagerduty }
          res.json([req.pagerduty.user?.id ?? null, other.user?.id ?? null])
        })
        express.get('/ids', (req, res) => {
          const { classic: other } = req as unknown as { classic: typeof req.pagerduty }
          res.json([req.pagerduty.grantID, other.grantID])
        })
        express.get('/scoped', scoped.requireScopes('incidents.read'), (_req, res) => void res.json('scoped'))
        express.get('/more', scoped.requireScopes('services.read'), (_req, res) => void res.json('more'))
        express.get('/classic', classic.requireScopes('read'), (_req, res) => void res.json('classic'))
        express.post('/out/:name', async (req, res) => {
          await (req as unknown as Record<string, typeof req.pagerduty>)[req.params['name']]?.logout()
          res.json('out')
        })
        express.post('/end', (req, res) => req.session.destroy(() => res.json('ended')))
      })
      app = { ...running, instances }
    })

    test('keep both logins, whichever comes first, and whichever user logs in', async () => {
      await logIn('pagerduty', 'PACME01')
      await logIn('classic', 'PACME02')
      expect(await users()).toEqual(['PACME01', 'PACME02'])
      expect(await guarded()).toEqual([200, 200])
      await logIn('pagerduty', 'PACME02')
      expect(await users()).toEqual(['PACME02', 'PACME02'])
      expect(await guarded()).toEqual([200, 200])
    })

    test('give the session another id at each login, and leave no one logged in by the old one', async () => {
      await logIn('pagerduty')
      const before = browser.copy()
      await logIn('classic')
      expect([...browser.cookies.values()]).not.toEqual([...before.cookies.values()])
      expect(await users(before)).toEqual([null, null])
      expect(await users()).toEqual(['PACME01', 'PACME01'])
    })

    test('keep the other login at a step-up of one', async () => {
      await logIn('pagerduty')
      await logIn('classic')
      await consent('/more')
      expect((await browser.visit(`${app.url}/more`)).status).toBe(200)
      expect(await guarded()).toEqual([200, 200])
    })

    test.each([
      ['pagerduty', [null, 'PACME01']],
      ['classic', ['PACME01', null]],
    ])('log out one by one (%s first)', async (name, left) => {
      await logIn('pagerduty')
      await logIn('classic')
      const before = browser.copy()
      await browser.fetch(`${app.url}/out/${name}`, { method: 'POST' })
      expect(await users()).toEqual(left)
      expect(await users(before)).toEqual([null, null])
      await browser.fetch(`${app.url}/out/${name === 'classic' ? 'pagerduty' : 'classic'}`, {
        method: 'POST',
      })
      expect(await users()).toEqual([null, null])
    })

    test('both end with the session', async () => {
      await logIn('pagerduty')
      await logIn('classic')
      const ids = (await (await browser.visit(`${app.url}/ids`)).json()) as string[]
      const found = () => Promise.all(app.instances.map(({ grants }, which) => grants.get(ids[which] ?? '')))
      expect(await found()).not.toContain(undefined)
      await browser.fetch(`${app.url}/end`, { method: 'POST' })
      expect(await found()).toEqual([undefined, undefined])
    })
  })
})

async function logIn(name: string, user = 'PACME01'): Promise<void> {
  await consent(`/auth/${name}`, user)
}

/** Goes where a path leads, as far as PagerDuty and back. */
async function consent(path: string, user = 'PACME01'): Promise<void> {
  let url = app.url + path
  while (!url.startsWith(simulator.url)) {
    const answer = await browser.visit(url)
    url = new URL(answer.headers.get('location') as string, url).href
  }
  const finished = await browser.visit(await approve(url, { user }))
  expect(finished.status).toBe(302)
}

/** Who is logged in at each instance. */
async function users(visitor = browser): Promise<unknown> {
  return (await visitor.visit(app.url)).json()
}

/** What the guards of each instance say. */
function guarded(): Promise<number[]> {
  const status = async (path: string) => (await browser.fetch(app.url + path)).status
  return Promise.all([status('/scoped'), status('/classic')])
}

test('two instances with the same name in one app are rejected, as each would end the login of the other', async () => {
  browser = new Browser()
  const instances: PagerDuty[] = []
  const running = await serve((express, url) => {
    const options = {
      ...simulator.options('scoped'),
      scope: 'incidents.read',
      secret,
      callbackURL: `${url}/auth/pagerduty/callback`,
    }
    const [one, other] = [pagerduty(options), pagerduty(options)]
    instances.push(one, other)
    express.use(one.auth(), one.auth(), other.auth())
    express.get('/', (_req, res) => void res.json('never'))
  })
  app = { ...running, instances }
  const answer = await browser.fetch(app.url)
  expect(answer.status).toBe(500)
  expect(await answer.json()).toMatchObject({ code: 'ERR_PAGERDUTY_CONFIGURATION' })
})

test('a guard for another instance sends browsers to the login of that one', async () => {
  browser = new Browser()
  const instances: PagerDuty[] = []
  const running = await serve((express, url) => {
    const options = (name: string) => ({
      ...simulator.options('scoped'),
      scope: 'incidents.read',
      secret,
      name,
      callbackURL: `${url}/auth/${name}/callback`,
    })
    const [one, other] = [pagerduty(options('pagerduty')), pagerduty(options('second'))]
    instances.push(one, other)
    express.use(one.auth(), other.auth())
    express.get('/', one.requireLogin({ name: 'second' }), (_req, res) => void res.json('in'))
  })
  app = { ...running, instances }
  const answer = await browser.visit(app.url)
  expect(answer.headers.get('location')).toBe('/auth/second')
})
