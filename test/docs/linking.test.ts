import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { describeWithRedis, useRedis } from '../support/redis'
import { type Example, example } from './examples'
import { type RunningExample, environmentOf, runApp } from './run-example'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())

/** What the app has that the page does not show: a login without PagerDuty, and who is logged in. */
const local = `
const requireUser: express.RequestHandler = (req, _res, next) => next(req.user ? undefined : 'route')
app.get('/local/:id', (req, res, next) => req.logIn({ id: req.params.id } as Express.User, (error) => (error ? next(error) : res.end())))
app.get('/pagerduty', (req, res) => res.json(req.pagerduty.user?.id ?? null))
`

/** The app of docs/passport.md with these routes in place of its own, and with this instance. */
function appWith({ code }: Example): Example {
  const whole = example('docs/passport.md, In an app that has Passport already, ts')
  const [made = ''] = /const users = [^]*?\n\}\)\n/.exec(code) ?? []
  const imports = /^import .*\n/gm
  const routes = code.replace(made, '').replace(imports, '')
  const more = (code.match(imports) ?? []).filter((line) => !whole.code.includes(line)).join('')
  const withRoutes = whole.code.replace(/app\.get\('\/auth\/pagerduty', [^]*?\n\)\n/, () => local + routes)
  const instance = /const pd = pagerduty\([^]*?\n\}\)\n/
  return { ...whole, code: more + (made === '' ? withRoutes : withRoutes.replace(instance, () => made)) }
}

async function read(app: RunningExample, browser: Browser): Promise<unknown> {
  const get = async (path: string) => (await browser.fetch(app.url + path)).json()
  return [((await get('/')) as { user: unknown }).user, await get('/pagerduty')]
}

const post = (app: RunningExample, browser: Browser, path: string, site = 'same-origin') =>
  browser.fetch(app.url + path, { method: 'POST', headers: { 'Sec-Fetch-Site': site } })

/** Where a login with PagerDuty ends in another browser, and as whom. */
async function logInElsewhere(app: RunningExample, user = 'PACME01') {
  const other = new Browser()
  const begun = await other.visit(`${app.url}/auth/pagerduty`)
  const finished = await other.visit(await approve(begun.headers.get('location') as string, { user }))
  return { other, location: finished.headers.get('location'), seen: await read(app, other) }
}

describeWithRedis('an app with sessions in Redis', () => {
  const redis = useRedis()
  const environment = () => ({
    ...environmentOf(simulator),
    CUSTOMER_CALLBACK_URL: 'http://localhost:3000/auth/customer/callback',
    REDIS_URL: redis.url,
  })
  const run = (name: string, use: (app: RunningExample) => Promise<void>) =>
    runApp(appWith(example(name)), environment(), use)

  test('PagerDuty is linked, linked again as another user, and unlinked', () =>
    run('docs/linking.md, Link, relink, unlink, ts', async (app) => {
      const browser = new Browser()
      await browser.fetch(`${app.url}/local/ada`)
      await app.logIn('/auth/pagerduty', 'PACME01', browser)
      expect(await read(app, browser)).toEqual([{ id: 'ada' }, 'PACME01'])
      expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(200)
      await app.logIn('/auth/pagerduty', 'PACME02', browser)
      expect(await read(app, browser)).toEqual([{ id: 'ada' }, 'PACME02'])
      expect((await post(app, browser, '/auth/pagerduty/unlink', 'cross-site')).status).toBe(403)
      expect(await read(app, browser)).toEqual([{ id: 'ada' }, 'PACME02'])
      await post(app, browser, '/auth/pagerduty/unlink')
      expect(await read(app, browser)).toEqual([{ id: 'ada' }, null])
    }))

  test('a linked account logs in once its user has confirmed it, and no longer when they take it back', () =>
    run('docs/linking.md, Log in with a linked account, ts', async (app) => {
      const logIn = () => logInElsewhere(app)
      const browser = new Browser()
      await browser.fetch(`${app.url}/local/ada`)
      await app.logIn('/auth/pagerduty', 'PACME01', browser)
      expect(await logIn()).toMatchObject({ location: '/login', seen: [null, null] })
      expect((await post(app, browser, '/settings/pagerduty-login', 'cross-site')).status).toBe(403)
      expect(await logIn()).toMatchObject({ location: '/login' })
      await post(app, browser, '/settings/pagerduty-login')
      const { other, ...login } = await logIn()
      expect(login).toEqual({ location: '/', seen: [{ id: 'ada' }, 'PACME01'] })
      await post(app, browser, '/settings/no-pagerduty-login')
      expect(await read(app, browser)).toEqual([{ id: 'ada' }, null])
      expect(await read(app, other)).toEqual([null, null])
      expect(await logIn()).toMatchObject({ location: '/login' })
    }))

  test('a login with a linked account can be taken back from a session that has no link, or another one', () =>
    run('docs/linking.md, Log in with a linked account, ts', async (app) => {
      const asAda = { location: '/', seen: [{ id: 'ada' }, 'PACME01'] }
      const denied = { location: '/login', seen: [null, null] }
      const linkAndConfirm = async (user: string) => {
        const browser = new Browser()
        await browser.fetch(`${app.url}/local/ada`)
        await app.logIn('/auth/pagerduty', user, browser)
        await post(app, browser, '/settings/pagerduty-login')
        return browser
      }
      await linkAndConfirm('PACME01')
      const { other, ...login } = await logInElsewhere(app)
      expect(login).toEqual(asAda)
      const withoutLink = new Browser()
      await withoutLink.fetch(`${app.url}/local/ada`)
      await post(app, withoutLink, '/settings/no-pagerduty-login')
      expect(await read(app, other)).toEqual([null, null])
      expect(await logInElsewhere(app)).toMatchObject(denied)

      await linkAndConfirm('PACME01')
      expect(await logInElsewhere(app)).toMatchObject(asAda)
      const relinked = await linkAndConfirm('PACME02')
      expect(await logInElsewhere(app)).toMatchObject(denied)
      expect(await logInElsewhere(app, 'PACME02')).toMatchObject({ location: '/' })
      await app.logIn('/auth/pagerduty', 'PACME01', relinked)
      await post(app, relinked, '/settings/no-pagerduty-login')
      expect(await logInElsewhere(app)).toMatchObject(denied)
      expect(await logInElsewhere(app, 'PACME02')).toMatchObject(denied)
    }))

  test('a second account is linked by an instance of its own', () => {
    const linking = example('docs/linking.md, Link, relink, unlink, ts').code
    const second = example('docs/linking.md, Several PagerDuty accounts, ts')
    const code = second.code.replace(
      'const linkCustomer',
      `${linking.replace(/^import.*\n/, '')}\nconst linkCustomer`,
    )
    return runApp(appWith({ ...second, code }), environment(), async (app) => {
      const browser = new Browser()
      await browser.fetch(`${app.url}/local/ada`)
      await app.logIn('/auth/pagerduty', 'PACME01', browser)
      await app.logIn('/auth/customer', 'PGLBX01', browser)
      const urls = async (path: string) => {
        const { incidents } = (await (await browser.fetch(app.url + path)).json()) as {
          incidents: { html_url: string }[]
        }
        return new Set(incidents.map(({ html_url: url }) => new URL(url).hostname.split('.')[0]))
      }
      expect(await urls('/incidents')).toEqual(new Set(['acme']))
      expect(await urls('/customer/incidents')).toEqual(new Set(['globex']))
      simulator.failNext('api', '500')
      expect((await browser.fetch(`${app.url}/customer/incidents`)).status).toBe(503)
      await browser.fetch(`${app.url}/logout`, { method: 'POST' })
      for (const path of ['/incidents', '/customer/incidents'])
        expect((await browser.fetch(app.url + path)).status).toBe(401)
    })
  })
})
