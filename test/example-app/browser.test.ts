import { join } from 'node:path'
import type { Browser, BrowserContext, BrowserContextOptions, Page, Request } from 'playwright-core'
import { type RunningExample, startExampleApp } from '../../example-app/server'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { describeWithChromium, startChromium } from '../support/chromium'
import { describeWithRedis, startRedis } from '../support/redis'

const ada = 'PACME01'
const ben = 'PACME02'
const greta = 'PGLBX01'
const desktop = { width: 1200, height: 800 }
const phone = { width: 390, height: 844 }

/** With SCREENSHOTS=1 the screenshots of the documentation are taken again. */
const writesScreenshots = Boolean(process.env['SCREENSHOTS'])
const screenshots = join(__dirname, '../../docs/screenshots')

type Box = { x: number; y: number; width: number; height: number }

describeWithChromium('the example app in a browser', () => {
  let chromium: Browser
  let app: RunningExample
  let simulator: Simulator
  const contexts: BrowserContext[] = []
  /** What the pages complained about, and what they sent for. */
  let complaints: string[]
  let requests: Request[]

  beforeAll(async () => {
    chromium = await startChromium()
    // Pictures show the port, so theirs is the one that the example has by default.
    app = await startExampleApp({ port: writesScreenshots ? 3000 : 0 })
    simulator = app.simulator as Simulator
  })
  afterAll(async () => {
    await chromium.close()
    await app.close()
  })
  beforeEach(() => {
    complaints = []
    requests = []
    simulator.resetCalls()
  })
  afterEach(async () => {
    simulator.settings.tokenLatency = 0
    for (const context of contexts.splice(0)) await context.close()
    if (complaints.length > 0) throw new Error(`The pages complained:\n${complaints.join('\n')}`)
  })

  /** A browser of a user who has never visited the app. */
  async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await chromium.newContext({ viewport: desktop, ...options })
    contexts.push(context)
    context.setDefaultTimeout(30_000)
    context.on('request', (request) => requests.push(request))
    context.on('weberror', (error) => complaints.push(error.error().message))
    context.on('response', (response) => {
      const isPart = !response.request().isNavigationRequest()
      if (isPart && response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`)
    })
    context.on('console', (message) => {
      // Chromium's own line for the status of a page.
      const isStatus = /^Failed to load resource: the server responded with a status of 40[1345]/.test(
        message.text(),
      )
      if (!isStatus) complaints.push(`${message.type()}: ${message.text()}`)
    })
    return context
  }

  async function newPage(options?: BrowserContextOptions): Promise<Page> {
    return (await newContext(options)).newPage()
  }

  /** From the example's welcome page, or a page that needs a login, to the simulator. */
  async function beginLogin(page: Page, path = '/'): Promise<void> {
    await page.goto(app.url + path)
    if (path === '/') await page.getByTestId('login').click()
    await page.waitForURL(isAuthorize)
  }

  async function allow(page: Page, user = ada): Promise<void> {
    await page.locator(`#user-${user}`).check()
    await page.locator('#allow').click()
  }

  async function logIn(page: Page, user = ada): Promise<void> {
    await beginLogin(page)
    await allow(page, user)
    await page.waitForURL(`${app.url}/`)
  }

  /** The same redirects without any clicks: for tests of what comes after. */
  async function beLoggedIn(page: Page, path = '/', user = ada): Promise<void> {
    simulator.settings.autoApprove = user
    await page.goto(`${app.url}/auth/pagerduty?returnTo=${path}`)
    simulator.settings.autoApprove = undefined
    expect(page.url()).toBe(app.url + path)
  }

  async function logOut(page: Page): Promise<void> {
    await page.getByTestId('logout').click()
    await page.getByTestId('login').waitFor()
  }

  const isAuthorize = (url: URL): boolean => url.pathname === '/oauth/authorize'
  const isCallback = (request: Request): boolean => request.url().startsWith(`${app.callbackURL}?`)
  const text = (page: Page, testID: string): Promise<string> => page.getByTestId(testID).innerText()
  const callbacks = (): string[] => requests.filter(isCallback).map((request) => request.url())

  describe('logging in', () => {
    test('leads through PagerDuty, and back to a page that knows the name, the account and the region', async () => {
      const page = await newPage()
      await page.goto(app.url)
      await page.getByRole('link', { name: 'Log in with PagerDuty' }).click()
      await page.waitForURL(isAuthorize)
      expect(new URL(page.url()).origin).toBe(simulator.url)
      await page.getByLabel('Ada Okafor').check()
      await page.getByRole('button', { name: 'Allow' }).click()
      await page.waitForURL(`${app.url}/`)
      expect(await text(page, 'user-name')).toBe('Ada Okafor')
      expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Ada Okafor')
      expect(await text(page, 'account')).toBe('acme')
      expect(await text(page, 'region')).toBe('US')
      expect(simulator.calls.token).toMatchObject({ authorization_code: 1, refresh_token: 0 })
    })

    test('shows an EU user the EU region', async () => {
      const page = await newPage()
      await beLoggedIn(page, '/', greta)
      expect(await text(page, 'user-name')).toBe('Greta Lindqvist')
      expect(await text(page, 'account')).toBe('globex')
      expect(await text(page, 'region')).toBe('EU')
    })

    test('works in two tabs at once, the first begun being the last to finish', async () => {
      const context = await newContext()
      const [first, second] = [await context.newPage(), await context.newPage()]
      await beginLogin(first, '/incidents')
      await beginLogin(second)
      await allow(second, ben)
      await second.waitForURL(`${app.url}/`)
      expect(await text(second, 'user-name')).toBe('Ben Ruiz')
      await allow(first, ada)
      await first.waitForURL(`${app.url}/incidents`)
      expect(await text(first, 'user-name')).toBe('Ada Okafor')
      await second.reload()
      expect(await text(second, 'user-name')).toBe('Ada Okafor')
      expect(simulator.calls.token.authorization_code).toBe(2)
    })

    test('takes a double click on Allow for one login', async () => {
      simulator.settings.tokenLatency = 600
      const page = await newPage()
      await beginLogin(page)
      await page.locator('#allow').dblclick()
      // Not waitForURL: that gives up when the second click breaks off what the first began.
      expect(await text(page, 'user-name')).toBe('Ada Okafor')
      expect(page.url()).toBe(`${app.url}/`)
      expect(simulator.calls.token.authorization_code).toBe(1)
    })

    test('takes a second click on Allow for the same login while the first callback runs', async () => {
      simulator.settings.tokenLatency = 1000
      const page = await newPage()
      await beginLogin(page)
      const { x, y, width, height } = (await page.locator('#allow').boundingBox()) as Box
      const arrived = page.waitForRequest(isCallback)
      // Unlike that of a locator, a click of the mouse does not wait for the page that is about to come.
      await page.mouse.click(x + width / 2, y + height / 2)
      await arrived
      await page.mouse.click(x + width / 2, y + height / 2)
      expect(await text(page, 'user-name')).toBe('Ada Okafor')
      expect(page.url()).toBe(`${app.url}/`)
      const [first, second, ...more] = callbacks().map((url) => new URL(url).searchParams)
      expect(more).toEqual([])
      expect(second?.get('state')).toBe(first?.get('state'))
      expect(second?.get('code')).not.toBe(first?.get('code'))
      expect(simulator.calls.token.authorization_code).toBe(1)
    })

    test('ends on a small page with a way back when access is denied', async () => {
      const page = await newPage()
      await beginLogin(page)
      const answered = page.waitForResponse((response) => isCallback(response.request()))
      await page.getByRole('button', { name: 'Deny' }).click()
      expect((await answered).status()).toBe(403)
      expect(await page.getByRole('heading').innerText()).toBe('Access was denied at PagerDuty')
      expect(simulator.calls.token.authorization_code).toBe(0)
      await page.getByRole('link', { name: 'Log in with PagerDuty' }).click()
      await page.waitForURL(isAuthorize)
      await allow(page)
      await page.waitForURL(`${app.url}/`)
      expect(await text(page, 'user-name')).toBe('Ada Okafor')
    })

    test('comes to no harm when the callback is reloaded', async () => {
      const page = await newPage()
      await beLoggedIn(page)
      const [callback = ''] = callbacks()
      await page.goto(callback)
      expect(page.url()).toBe(`${app.url}/`)
      expect(await text(page, 'user-name')).toBe('Ada Okafor')
      expect(simulator.calls.token.authorization_code).toBe(1)
    })

    test('still works when the user goes back and allows again', async () => {
      const page = await newPage()
      await logIn(page)
      await page.goBack()
      expect(isAuthorize(new URL(page.url()))).toBe(true)
      await allow(page, ben)
      await page.waitForURL(`${app.url}/`)
      expect(await text(page, 'user-name')).toBe('Ada Okafor')
      expect(simulator.calls.token.authorization_code).toBe(1)
      expect(callbacks()).toHaveLength(2)
    })

    test('does not log anybody in by a callback that was used before', async () => {
      const page = await newPage()
      await beLoggedIn(page)
      await logOut(page)
      const [callback = ''] = callbacks()
      const answer = await page.goto(callback)
      expect(answer?.status()).toBe(403)
      await page.goto(app.url)
      expect(await page.getByTestId('login').isVisible()).toBe(true)
      expect(simulator.calls.token.authorization_code).toBe(1)
    })
  })

  describe('being logged in', () => {
    test('opens the incidents', async () => {
      const page = await newPage()
      await beLoggedIn(page)
      await page.getByTestId('nav-incidents').click()
      await page.waitForURL(`${app.url}/incidents`)
      const rows = page.getByTestId('incidents-table').locator('tbody').getByRole('row')
      expect(await rows.count()).toBeGreaterThan(2)
      expect(await rows.first().innerText()).toContain('Payment latency above 2 s')
    })

    test('shows the same name in the header of every page, which asks PagerDuty for it at the login only', async () => {
      const page = await newPage()
      await beLoggedIn(page, '/events')
      simulator.resetCalls()
      for (const path of ['/events', '/webhooks', '/scopes', '/nowhere']) {
        await page.goto(app.url + path)
        expect([path, await text(page, 'user-name')]).toEqual([path, 'Ada Okafor'])
      }
      expect(simulator.calls.api).toBe(0)
    })

    test('has one primary button on each page', async () => {
      const page = await newPage()
      for (const path of ['/', '/login', '/webhooks', '/scopes', '/events']) {
        if (path === '/login') await beLoggedIn(page)
        else await page.goto(app.url + path)
        expect([path, await page.locator('.primary').count()]).toEqual([path, 1])
      }
    })

    test('has room for fingers and for the name on a phone', async () => {
      const page = await newPage({ viewport: { ...phone, width: 360 } })
      await beLoggedIn(page, '/webhooks')
      const widths = await page.evaluate(
        `(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('.who span'))`,
      )
      const [scrollWidth, clientWidth] = widths as [number, number]
      expect(scrollWidth).toBeLessThanOrEqual(clientWidth)
      for (const target of await page.locator(':is(button, nav a, .brand):visible').all()) {
        const { height } = (await target.boundingBox()) as Box
        expect([await target.innerText(), height >= 44]).toEqual([expect.anything(), true])
      }
    })

    test('lets the token be refreshed, once a click', async () => {
      const page = await newPage()
      await beLoggedIn(page)
      const obtainedAt = async () =>
        Number(await page.getByTestId('token-age').getAttribute('data-obtained-at'))
      const before = await obtainedAt()
      await page.getByTestId('refresh').click()
      await page.waitForURL(`${app.url}/?refreshed#token`)
      expect(await obtainedAt()).toBeGreaterThan(before)
      expect(await page.getByRole('main').getByRole('status').innerText()).toBe('Refreshed just now.')
      expect(simulator.calls.token.refresh_token).toBe(1)
      expect(simulator.reuses).toBe(0)
    })

    test('does not open the page whose scope was not granted, and says which one is missing', async () => {
      const page = await newPage()
      await beLoggedIn(page)
      await page.getByRole('link', { name: 'A page you have no scope for' }).click()
      // PagerDuty is asked, and cannot give what the app is not configured with.
      const answered = page.waitForResponse(`${app.url}/services`)
      await page.getByRole('button', { name: 'Allow' }).click()
      expect((await answered).status()).toBe(403)
      expect(await page.getByRole('heading').innerText()).toContain('services.read')
      // Another login would not help.
      expect(await page.getByRole('link', { name: 'Log in with PagerDuty' }).count()).toBe(0)
    })

    test('keeps the clocks of the token running', async () => {
      const page = await newPage()
      await page.clock.install()
      await beLoggedIn(page)
      await page.clock.runFor(60_000)
      expect(await text(page, 'token-age')).toBe('1 min ago')
      expect(await text(page, 'expires')).toMatch(/^23:5[89]:\d\d$/)
    })
  })

  describe('logging out', () => {
    test('makes a guarded page require a login again, even with the old cookie', async () => {
      const context = await newContext()
      const page = await context.newPage()
      await beLoggedIn(page)
      const cookies = await context.cookies(app.url)
      await logOut(page)
      expect(await context.cookies(app.url)).toEqual([])
      await page.goto(`${app.url}/incidents`)
      expect(isAuthorize(new URL(page.url()))).toBe(true)

      await context.clearCookies()
      await context.addCookies(cookies)
      await page.goto(`${app.url}/incidents`)
      expect(isAuthorize(new URL(page.url()))).toBe(true)
      expect((await context.request.get(`${app.url}/api/incidents`)).status()).toBe(401)
    })

    test('leaves nothing for the back button', async () => {
      const page = await newPage()
      await beLoggedIn(page, '/incidents')
      await logOut(page)
      await page.goBack()
      await page.waitForURL(isAuthorize)
      expect(await page.content()).not.toContain('Payment latency')
    })

    test('is for pages of the app only: the form of another site does nothing', async () => {
      const other = await serve((express, url) => {
        const action = `${app.url}/auth/pagerduty/logout`
        express.get('/', (_req, res) => {
          res.send(`<!doctype html><title>${url}</title><link rel="icon" href="data:,">
            <form method="post" action="${action}"><button>You have won</button></form>
            <a href="${action}">A prize</a>`)
        })
      })
      try {
        const page = await newPage()
        await beLoggedIn(page)
        for (const [lure, status] of [
          [page.getByRole('button'), 403],
          [page.getByRole('link'), 405],
        ] as const) {
          await page.goto(other.url)
          const answered = page.waitForResponse(`${app.url}/auth/pagerduty/logout`)
          await lure.click()
          expect((await answered).status()).toBe(status)
          await page.goto(`${app.url}/incidents`)
          expect(await text(page, 'user-name')).toBe('Ada Okafor')
        }
        expect(simulator.calls.revoke).toBe(0)
      } finally {
        await other.close()
      }
    })
  })

  describe('the pages', () => {
    /** What a page turned out to be. */
    interface Sight {
      name: string
      html: string
      width: number
      /** What a script could read: cookies and storage. */
      readable: string
    }

    /** Visits every page in turn, until a user is logged in and has seen them all. */
    async function tour(page: Page, user: string): Promise<Sight[]> {
      const sights: Sight[] = []
      const look = async (name: string): Promise<void> => {
        const [html, width, readable] = await Promise.all([
          page.content(),
          page.evaluate('document.documentElement.scrollWidth') as Promise<number>,
          page.evaluate(
            'document.cookie + JSON.stringify([localStorage, sessionStorage])',
          ) as Promise<string>,
        ])
        sights.push({ name, html, width, readable })
      }
      await page.goto(app.url)
      await look('welcome')
      await beginLogin(page)
      await look('sign-in')
      await page.locator('#deny').click()
      await page.waitForURL(`${app.callbackURL}?**`)
      await look('denied')
      await page.getByRole('link', { name: 'Log in with PagerDuty' }).click()
      await page.waitForURL(isAuthorize)
      await allow(page, user)
      await page.waitForURL(`${app.url}/`)
      await look('me')
      await page.getByTestId('refresh').click()
      await page.waitForURL(`${app.url}/?refreshed#token`)
      await look('refreshed')
      for (const path of ['/incidents', '/services', '/nowhere']) {
        await page.goto(app.url + path)
        await look(path)
      }
      return sights
    }

    test.each([
      ['US', ada, 'pdus+'],
      ['EU', greta, 'pdeu+'],
    ])(
      'fit a phone, break no content security policy and show no token of the %s region',
      async (_, user, prefix) => {
        const context = await newContext({ viewport: phone })
        await context.exposeFunction('complain', (violation: string) => complaints.push(violation))
        await context.addInitScript(
          `addEventListener('securitypolicyviolation', (event) => complain(event.violatedDirective + ' ' + event.blockedURI))`,
        )
        context.on('requestfailed', (request) => {
          const reason = request.failure()?.errorText
          // That is what becomes of an icon still on its way when the page is left.
          if (reason !== 'net::ERR_ABORTED') complaints.push(`${request.url()} ${reason}`)
        })

        const sights = await tour(await context.newPage(), user)
        expect(sights).toHaveLength(8)
        expect(complaints).toEqual([])
        for (const { name, html, width, readable } of sights) {
          expect([name, width]).toEqual([name, phone.width])
          expect([name, html]).toEqual([name, expect.not.stringContaining(prefix)])
          expect([name, readable]).toEqual([name, '[{},{}]'])
        }
        expect(simulator.newestAccessToken(user)).toMatch(prefix)
        const urls = requests.map((request) => decodeURIComponent(request.url()))
        expect(urls.filter((url) => url.includes(prefix))).toEqual([])
        expect(new Set(urls.map((url) => new URL(url).origin))).toEqual(new Set([app.url, simulator.url]))
      },
    )

    test('keep their cookies from scripts and other sites', async () => {
      const context = await newContext()
      const page = await context.newPage()
      await beginLogin(page)
      const [pending, ...more] = await context.cookies(app.url)
      expect(pending).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/', domain: 'localhost' })
      expect(pending?.name).toMatch(/^pagerduty-login-/)
      expect(more).toEqual([])
      await allow(page)
      await page.waitForURL(`${app.url}/`)
      expect(await context.cookies(app.url)).toEqual([
        expect.objectContaining({ name: 'pagerduty', httpOnly: true, sameSite: 'Lax', domain: 'localhost' }),
      ])
      const others = await context.cookies(simulator.url)
      expect(others.map(({ name }) => name)).toEqual(['simulator-user'])
    })

    test('are worth a picture', async () => {
      const mostBytes = 120 * 1024
      const take = async (page: Page, name: string): Promise<void> => {
        const path = join(screenshots, `${name}.png`)
        const picture = await page.screenshot(writesScreenshots ? { path } : {})
        expect([name, picture.length > 5_000, picture.length < mostBytes]).toEqual([name, true, true])
      }
      const light = await newPage({ colorScheme: 'light' })
      await beginLogin(light)
      await take(light, 'sign-in')
      const dark = await newPage({ colorScheme: 'dark' })
      for (const [page, name] of [
        [light, 'me-light'],
        [dark, 'me-dark'],
      ] as const) {
        await page.setViewportSize({ ...desktop, height: 920 })
        await page.clock.install()
        await beLoggedIn(page)
        await page.clock.fastForward('47:12')
        await take(page, name)
      }
      await light.setViewportSize(desktop)
      await light.goto(`${app.url}/incidents`)
      await take(light, 'incidents')
      const small = await newPage({ viewport: phone, deviceScaleFactor: 1.5 })
      await beLoggedIn(small)
      await take(small, 'phone')
    })
  })

  describeWithRedis('as two processes over one Redis', () => {
    test('a login at one is a login at the other, and so is a logout', async () => {
      const redis = await startRedis()
      const pagerDuty = await startPagerDuty()
      const apps: RunningExample[] = []
      const start = async (): Promise<RunningExample> => {
        const running = await startExampleApp({ port: 0, store: redis.url })
        apps.push(running)
        return running
      }
      const secret = 'one secret of thirty-two characters or more for both'
      jest.replaceProperty(process, 'env', { ...process.env, ...pagerDuty.env(), SESSION_SECRET: secret })
      try {
        const [one, other] = [await start(), await start()]
        const page = await newPage()
        await page.goto(`${one.url}/incidents`)
        await allow(page, ben)
        await page.waitForURL(`${one.url}/incidents`)
        // The host is the same, and a cookie knows no port.
        await page.goto(`${other.url}/incidents`)
        expect(page.url()).toBe(`${other.url}/incidents`)
        expect(await text(page, 'user-name')).toBe('Ben Ruiz')
        const cookies = await page.context().cookies(one.url)
        await logOut(page)
        await page.context().addCookies(cookies)
        await page.goto(`${one.url}/incidents`)
        expect(isAuthorize(new URL(page.url()))).toBe(true)
        expect((await page.context().request.get(`${one.url}/api/incidents`)).status()).toBe(401)
        expect(pagerDuty.calls.token.authorization_code).toBe(1)
      } finally {
        jest.restoreAllMocks()
        for (const running of apps) await running.close()
        await pagerDuty.close()
        await redis.stop()
      }
    })
  })
})
