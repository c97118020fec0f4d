import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { Request } from 'express'
import { MemoryTokenStore, type TokenStore, TokenStoreError } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { until } from '../support/app-token-app'
import type { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { describeWithRedis, useRedis } from '../support/redis'
import { WatchedStore } from '../support/watched-store'

const secret = 'a secret of thirty-two characters or more, for tests'
const cookieName = 'pagerduty'

let simulator: Simulator
let running: DropIn[] = []
/** Called when what a handler does after its response is done. */
let afterwards: (value?: unknown) => void = () => {}

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
afterEach(async () => {
  await Promise.all(running.map((app) => app.close()))
  running = []
})

describe('in memory', () => {
  let store: MemoryTokenStore
  beforeEach(() => {
    store = new MemoryTokenStore()
  })
  behaves(() => ({ tokenStore: store, secret }))
  const change = (key: string, changed: (value: string) => string) => changeIn(store, key, changed)

  test('a session whose record is not ours logs no one in', async () => {
    const { app, browser, id } = await loggedIn({ tokenStore: store, secret })
    await change(`sess:${id}`, () => 'half of {"pagerduty":')
    expect((await app.get(browser, '/me')).status).toBe(401)
  })

  test('a session that no longer holds the grant of its id logs no one in', async () => {
    const { app, browser, id } = await loggedIn({ tokenStore: store, secret })
    await change(`sess:${id}`, (value) => value.replace(/"grants":\{[^}]*\}/, '"grants":{}'))
    expect((await app.get(browser, '/me')).status).toBe(401)
  })

  test('a cookie that is unsigned, or signed with another secret or for another session, logs no one in', async () => {
    const { app, browser, id } = await loggedIn({ tokenStore: store, secret })
    const other = await loggedIn({ tokenStore: new MemoryTokenStore(), secret: `another ${secret}` })
    const [, signature] = decodeURIComponent(browser.cookies.get(cookieName) ?? '').split(/\.(?=[^.]*$)/)
    const forged = [
      other.browser.cookies.get(cookieName) ?? '',
      id,
      `s:${id}`,
      `s:${id}.`,
      `s:${id}.${'A'.repeat(43)}`,
      `s:${id.slice(0, -1)}.${signature}`,
      `s:${id}x.${signature}`,
    ]
    for (const value of forged) {
      const cookie = `${cookieName}=${value.includes('%') ? value : encodeURIComponent(value)}`
      const { status } = await fetch(`${app.url}/me`, { headers: { cookie } })
      expect(`${value.slice(0, 2)} ${status}`).toBe(`${value.slice(0, 2)} 401`)
    }
    expect((await app.get(browser, '/me')).status).toBe(200)
  })

  test('a session that cannot be saved at the end of the response is reported to the app, and ends no process', async () => {
    const watched = new WatchedStore()
    const { app, browser, id, errors } = await loggedIn({ tokenStore: watched, secret })
    watched.fault = (command) =>
      command === `replace sess:${id}` ? new TokenStoreError('no reply') : undefined
    expect((await app.get(browser, '/put?late=yes')).status).toBe(200)
    await until(() => errors.length > 0)
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_PAGERDUTY_TOKEN_STORE' })])
    watched.fault = undefined
    expect((await app.get(browser, '/me')).status).toBe(200)
  })

  test('a secret that was rotated still opens the session', async () => {
    const { browser } = await loggedIn({ tokenStore: store, secret })
    const rotated = await startDropIn(simulator, { tokenStore: store, secret: [`new ${secret}`, secret] })
    const cookie = `${cookieName}=${browser.cookies.get(cookieName)}`
    expect((await fetch(`${rotated.url}/me`, { headers: { cookie } })).status).toBe(200)
    await rotated.close()
  })
})

describeWithRedis('in Redis', () => {
  const redis = useRedis()
  behaves(() => ({ redis: redis.client, secret }))
})

/** What an app may do with a session that was not made until it does. */
function behaves(options: () => Parameters<typeof startDropIn>[1]): void {
  let app: DropIn
  let browser: Browser
  let grantID: string
  beforeEach(async () => {
    const made = await loggedIn(options())
    ;({ app, browser } = made)
    grantID = made.id.split('.')[0] ?? ''
    expect(await app.pd.grants.get(grantID)).toBeDefined()
  })
  const read = async (path: string) => (await app.get(browser, path)).json() as Promise<unknown>

  test('what the app puts into the session is there with the next request', async () => {
    await read('/put?late=')
    expect(await read('/cart?late=')).toBe('apple')
  })

  test('the session is there for a handler that first accesses it after a wait', async () => {
    await read('/put?late=yes')
    expect(await read('/cart?late=yes')).toBe('apple')
  })

  test('the session is there once the response was sent, and can be saved', async () => {
    const saved = new Promise((resolve) => (afterwards = resolve))
    expect(await read('/answer-first')).toBe('answered')
    await saved
    expect(await read('/cart?late=')).toBe('pear')
  })

  test('what the app writes into it at the end of the response is saved, though a handler has used it before', async () => {
    expect([await read('/counted'), await read('/counted'), await read('/counted')]).toEqual([0, 1, 2])
  })

  test.each(['destroyed', 'regenerated'])(
    'a session that is %s lets nothing more of its request through',
    async (how) => {
      const answer = await app.get(browser, `/end-first?how=${how}`)
      expect([answer.status, await answer.json()]).toMatchObject([
        401,
        { code: 'ERR_PAGERDUTY_UNAUTHORIZED' },
      ])
    },
  )

  test('an object that has the request as its prototype may have a session of its own', async () => {
    await read('/put?late=')
    expect(await read('/shadowed')).toBe('apple')
    expect(await read('/cart?late=')).toBe('apple')
  })

  test('an object that has the request as its prototype has the session too', async () => {
    await read('/put?late=')
    expect(await read('/derived')).toEqual({ cart: 'apple', isSame: true })
  })

  test('the id and the store of the session are on the request from the start', async () => {
    expect(await read('/id')).toEqual({ isID: true, hasStore: true, isInRequest: true })
  })

  test('a session that the handler only takes off the request is not changed', async () => {
    await read('/put?late=')
    expect(await read('/take-off')).toBeNull()
    expect(await read('/cart?late=')).toBe('apple')
  })

  test('destroying the session ends the grant, even if the session was not used before', async () => {
    await read('/destroy')
    expect((await app.get(browser, '/me')).status).toBe(401)
    expect(await app.pd.grants.get(grantID)).toBeUndefined()
  })

  test('regenerating it does so too', async () => {
    await read('/regenerate')
    expect((await app.get(browser, '/me')).status).toBe(401)
    expect(await app.pd.grants.get(grantID)).toBeUndefined()
  })

  test('a request that uses no session gets no cookie again', async () => {
    const answer = await app.get(browser, '/me')
    expect(answer.status).toBe(200)
    expect(answer.headers.getSetCookie()).toEqual([])
  })
}

const counted = (req: Request) => req.session as { count?: number }
const cartOf = (req: Request) => req.session as { cart?: string }

/** An app with a logged-in user, and the id of the session. */
async function loggedIn(options: Parameters<typeof startDropIn>[1]) {
  const errors: unknown[] = []
  const app = await startDropIn(simulator, options, (express, pd) => {
    const wait = async (req: Request) => {
      if (req.query['late']) await setImmediate()
    }
    express.get('/put', pd.requireLogin(), async (req, res) => {
      await wait(req)
      cartOf(req).cart = 'apple'
      res.json('put')
    })
    express.get('/cart', pd.requireLogin(), async (req, res) => {
      await wait(req)
      res.json(cartOf(req).cart ?? null)
    })
    express.get('/answer-first', pd.requireLogin(), async (req, res) => {
      res.json('answered')
      await once(res, 'finish')
      cartOf(req).cart = 'pear'
      req.session.save(afterwards)
    })
    express.get(
      '/counted',
      (req, res, next) => {
        const end = res.end.bind(res) as (...args: unknown[]) => typeof res
        res.end = ((...args: unknown[]) => {
          counted(req).count = (counted(req).count ?? 0) + 1
          return end(...args)
        }) as typeof res.end
        next()
      },
      (req, res) => void res.json(counted(req).count ?? 0),
    )
    express.get('/derived', (req, res) => {
      const derived = Object.create(req) as Request
      res.json({ cart: cartOf(derived).cart, isSame: derived.session === req.session })
    })
    express.get('/id', (req, res) => {
      const { sessionID, sessionStore } = req
      res.json({
        isInRequest: 'session' in req,
        isID: sessionID === req.session.id,
        hasStore: typeof sessionStore.get === 'function' && sessionStore === req.sessionStore,
      })
    })
    express.get('/take-off', (req, res) => {
      Object.assign(req, { session: null })
      res.json(req.session)
    })
    express.use((error: unknown, _req: Request, _res: unknown, _next: unknown) => void errors.push(error))
    express.get(
      '/end-first',
      (req, _res, next) =>
        void (req.query['how'] === 'destroyed' ? req.session.destroy(next) : req.session.regenerate(next)),
      pd.requireLogin(),
      (_req, res) => void res.json('open'),
    )
    express.get('/shadowed', (req, res) => {
      const derived = Object.create(req) as { session: unknown }
      derived.session = { cart: 'pear' }
      res.json(cartOf(req).cart)
    })
    express.get('/destroy', (req, res) => void req.session.destroy(() => res.json('destroyed')))
    express.get('/regenerate', (req, res) => void req.session.regenerate(() => res.json('regenerated')))
  })
  running.push(app)
  const { browser } = await app.logIn()
  const [id = ''] =
    /^s:(.*)\.[^.]*$/.exec(decodeURIComponent(browser.cookies.get(cookieName) ?? ''))?.slice(1) ?? []
  return { app, browser, id, errors }
}

async function changeIn(store: TokenStore, key: string, changed: (value: string) => string): Promise<void> {
  const value = (await store.get(key)) ?? ''
  expect(changed(value)).not.toBe(value)
  expect(await store.replace(key, value, changed(value))).toBe(true)
}
