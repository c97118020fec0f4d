import type { Express, RequestHandler } from 'express'
import { MemoryTokenStore, pagerduty } from '../../src'
import { type Simulator, startPagerDuty, testClock } from '../../src/testing'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'
import { secret, startPassportApp } from '../support/passport-app'
import { WatchedStore } from '../support/watched-store'

const owner = { accountID: 'PACME00', userID: 'PACME01' }

let simulator: Simulator
/** A logout that goes on after the response. */
let late: Promise<void> | undefined

beforeEach(async () => {
  simulator = await startPagerDuty()
  late = undefined
})
afterEach(() => simulator.close())

/** An app with routes of its own, and a browser that is logged in. */
type Start = (more: (express: Express) => void, store: WatchedStore) => Promise<Started>

interface Started {
  browser: Browser
  url: string
  grants: ReturnType<typeof pagerduty>['grants']
  close(): Promise<void>
}

const dropIn: Start = async (more, tokenStore) => {
  const app = await startDropIn(simulator, { tokenStore, secret }, more)
  const { browser } = await app.logIn()
  return { browser, url: app.url, grants: app.pd.grants, close: () => app.close() }
}

const parts: Start = async (more, tokenStore) => {
  const app = await startPassportApp(simulator, { options: { tokenStore }, more })
  const browser = new Browser()
  await app.consent(browser)
  return { browser, url: app.url, grants: app.pd.grants, close: () => app.close() }
}

describe.each([
  ['pd.auth()', dropIn],
  ['the individual middleware', parts],
])('a logout settles and leaves nothing, with %s,', (_what, start) => {
  const ways: [string, RequestHandler][] = [
    [
      'while the session is being destroyed',
      async (req, res) => {
        req.session.destroy(() => {})
        await req.pagerduty.logout()
        res.json('bye')
      },
    ],
    [
      'after the session was destroyed',
      (req, res) => {
        req.session.destroy(async () => {
          await req.pagerduty.logout()
          res.json('bye')
        })
      },
    ],
    [
      'where the app took the session off the request',
      async (req, res) => {
        delete (req as { session?: unknown }).session
        await req.pagerduty.logout()
        res.json('bye')
      },
    ],
    [
      'twice at once',
      async (req, res) => {
        await Promise.all([req.pagerduty.logout(), req.pagerduty.logout()])
        res.json('bye')
      },
    ],
    [
      'twice, one after the other',
      async (req, res) => {
        await req.pagerduty.logout()
        await req.pagerduty.logout()
        res.json('bye')
      },
    ],
    [
      'when the session is destroyed meanwhile',
      async (req, res) => {
        const over = req.pagerduty.logout()
        req.session.destroy(() => {})
        await over
        res.json('bye')
      },
    ],
    [
      'when the session is regenerated meanwhile',
      async (req, res) => {
        const over = req.pagerduty.logout()
        req.session.regenerate(() => {})
        await over
        res.json('bye')
      },
    ],
    [
      'when the response was sent before',
      (req, res) => {
        res.json('bye')
        late = req.pagerduty.logout()
      },
    ],
    [
      'after the session was reloaded',
      (req, res) => {
        req.session.reload(async () => {
          await req.pagerduty.logout()
          res.json('bye')
        })
      },
    ],
  ]

  test.each(ways)('%s', async (_when, handler) => {
    const app = await start((express) => void express.post('/bye', handler), new WatchedStore())
    const old = app.browser.copy()
    const answer = await app.browser.fetch(`${app.url}/bye`, { method: 'POST' })
    expect(await answer.json()).toBe('bye')
    await late
    for (const browser of [app.browser, old]) {
      expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(401)
      expect(await (await browser.fetch(app.url)).json()).toMatchObject({ user: null })
    }
    expect(await app.grants.list(owner)).toEqual([])
    await app.close()
  })

  test.each(['destroy', 'regenerate'] as const)(
    'by %s of a session that was reloaded, which ends its grant too',
    async (method) => {
      const app = await start(
        (express) =>
          void express.post('/bye', (req, res) => {
            req.session.reload(() => req.session.reload(() => req.session[method](() => res.json('bye'))))
          }),
        new WatchedStore(),
      )
      await app.browser.fetch(`${app.url}/bye`, { method: 'POST' })
      expect(await app.grants.list(owner)).toEqual([])
      await app.close()
      expect(simulator.liveGrants()).toEqual([])
    },
  )

  test('that failed says so, and can be tried again within the request', async () => {
    const store = new WatchedStore()
    const app = await start((express) => {
      express.post('/bye', async (req, res) => {
        store.fault = (command) =>
          command.startsWith('delete grant:') ? new Error('unreachable') : undefined
        const failed = await req.pagerduty.logout().catch((error: Error) => error)
        store.fault = undefined
        await req.pagerduty.logout()
        res.json(failed instanceof Error)
      })
    }, store)
    const answer = await app.browser.fetch(`${app.url}/bye`, { method: 'POST' })
    expect(await answer.json()).toBe(true)
    expect(await app.grants.list(owner)).toEqual([])
    await app.close()
  })

  test('also by session.destroy() after one that failed', async () => {
    const store = new WatchedStore()
    const app = await start((express) => {
      express.post('/bye', (req, res) => {
        store.fault = (command) =>
          command.startsWith('delete grant:') ? new Error('unreachable') : undefined
        req.session.destroy((error: unknown) => {
          store.fault = undefined
          req.session.destroy(() => res.json(error instanceof Error))
        })
      })
    }, store)
    const answer = await app.browser.fetch(`${app.url}/bye`, { method: 'POST' })
    expect(await answer.json()).toBe(true)
    expect(await app.grants.list(owner)).toEqual([])
    await app.close()
  })
})

test('two instances that are logged out at once, in one request, are both out', async () => {
  const instances: ReturnType<typeof pagerduty>[] = []
  const app = await serve((express, url) => {
    const tokenStore = new MemoryTokenStore()
    for (const name of ['one', 'two']) {
      const pd = pagerduty({
        ...simulator.options(),
        name,
        callbackURL: `${url}/auth/${name}/callback`,
        scope: 'incidents.read',
        tokenStore,
        secret,
      })
      instances.push(pd)
      express.use(pd.auth())
    }
    express.post('/bye', async (req, res) => {
      const { one, two } = req as unknown as Record<'one' | 'two', typeof req.pagerduty>
      await Promise.all([one.logout(), two.logout()])
      res.json('bye')
    })
    express.get('/', (req, res) => {
      const { one, two } = req as unknown as Record<'one' | 'two', typeof req.pagerduty>
      res.json([one.user?.id ?? null, two.user?.id ?? null])
    })
  })
  const browser = new Browser()
  simulator.settings.autoApprove = 'PACME01'
  for (const name of ['one', 'two']) await browser.follow(`${app.url}/auth/${name}`)
  expect(await (await browser.visit(app.url)).json()).toEqual(['PACME01', 'PACME01'])
  expect((await browser.fetch(`${app.url}/bye`, { method: 'POST' })).status).toBe(200)
  expect(await (await browser.visit(app.url)).json()).toEqual([null, null])
  for (const pd of instances) await pd.close()
  await app.close()
})

describe('a logout that the store loses, as in a failover,', () => {
  async function logOutAndLose() {
    const store = new WatchedStore()
    const app = await startDropIn(simulator, { tokenStore: store, secret })
    const { browser } = await app.logIn()
    await app.get(browser, '/me')
    const copy = browser.copy()
    expect((await app.logOut(browser)).status).toBe(204)
    expect((await app.get(copy, '/me')).status).toBe(401)
    while (simulator.liveGrants().length > 0) await new Promise(setImmediate)
    for (const [key, value] of store.written) {
      if (/^(sess|grant):/.test(key)) await store.memory.create(key, value, 3_600_000)
    }
    return { app, copy }
  }

  test('is one again when the API rejects the token, which PagerDuty has revoked', async () => {
    const { app, copy } = await logOutAndLose()
    expect((await app.get(copy, '/me')).status).toBe(200)
    expect((await app.get(copy, '/incidents')).status).toBe(401)
    expect((await app.get(copy, '/me')).status).toBe(401)
    await app.close()
  })

  test('is one again when its access token has expired', async () => {
    simulator.settings.accessTokenLifetime = 600
    const clock = testClock()
    try {
      const { app, copy } = await logOutAndLose()
      clock.advance(500_000)
      expect((await app.get(copy, '/me')).status).toBe(200)
      clock.advance(110_000)
      expect((await app.get(copy, '/me')).status).toBe(401)
      await app.close()
    } finally {
      clock.restore()
    }
  })
})
