import { execFileSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Denial, pagerduty } from '../../src'
import { Events } from '../../src/observability/events'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { Browser } from '../support/browser'
import { altered, startDropIn } from '../support/drop-in'
import { type EventName, eventNames, everyEvent } from '../support/every-event'

const root = join(__dirname, '../..')
let simulator: Simulator

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterEach(() => jest.restoreAllMocks())
afterAll(() => simulator.close())
test('a listener that throws is warned about, and the login it heard of comes about', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const app = await startDropIn(simulator)
  app.pd.on('login', () => {
    throw new Error('listener')
  })
  const { browser, finished } = await app.logIn()
  expect(finished.status).toBe(302)
  expect((await app.get(browser)).status).toBe(200)
  expect(warned).toHaveBeenCalledWith(expect.objectContaining({ message: 'listener' }))
  warned.mockRestore()
  await app.close()
})

test('each failed login is emitted with its error', async () => {
  const app = await startDropIn(simulator)
  const codes: unknown[] = []
  app.pd.on('loginFailed', ({ error }) => void codes.push((error as { code?: string }).code))
  simulator.failNext('token', 'invalid_client')
  await app.logIn()
  await fetch(`${app.url}/auth/pagerduty/callback?code=a&state=b`)
  await fetch(`${app.url}/auth/pagerduty/callback?code=a`)
  expect(codes).toEqual([
    'invalid_client',
    'ERR_PAGERDUTY_STATE_COOKIE_MISSING',
    'ERR_PAGERDUTY_STATE_MISSING',
  ])
  await app.close()
})

test('a logout that cannot be sent to PagerDuty still logs the user out, and emits a warning', async () => {
  const app = await startDropIn(simulator)
  const warned = new Promise((resolve) => app.pd.on('warning', resolve))
  const { browser } = await app.logIn()
  simulator.failNext('revoke', '500')
  expect((await app.logOut(browser.copy())).status).toBe(204)
  expect((await app.get(browser)).status).toBe(401)
  expect(await warned).toMatchObject({ error: { name: 'TokenEndpointError', httpStatus: 500 } })
  await app.close()
})

test('a listener that throws does not keep the others from hearing', () => {
  jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const events = new Events()
  const heard = jest.fn()
  events.on('warning', () => {
    throw new Error('listener')
  })
  events.once('warning', heard).on('warning', heard)
  events.emit('warning', { error: new Error('one') })
  events.emit('warning', { error: new Error('two') })
  expect(heard.mock.calls.map(([{ error }]) => (error as Error).message)).toEqual(['one', 'one', 'two'])
})

describe('a callback that cannot finish a login is emitted with its cause:', () => {
  /** What is emitted for a callback, in order. */
  async function told(visit: (app: Awaited<ReturnType<typeof start>>, browser: Browser) => Promise<unknown>) {
    const app = await start()
    const heard: string[] = []
    app.pd.on('stateMismatch', ({ cause }) => void heard.push(cause))
    app.pd.on('loginFailed', ({ reason }) => void heard.push(reason))
    await visit(app, new Browser())
    await app.close()
    return heard
  }

  const start = () =>
    startDropIn(simulator, {}, (app, pd) => {
      const [callbackURL] = pd.strategy._login.grants.client.callbackURLs
      const name = 'other'
      const url = callbackURL.replace('/pagerduty/', '/other/')
      app.use(pagerduty({ ...simulator.options(), scope: 'users.read', name, callbackURL: url }).auth())
    })

  test('without a state', async () => {
    expect(await told((app, browser) => browser.visit(`${app.url}/auth/pagerduty/callback?code=a`))).toEqual([
      'missing',
      'ERR_PAGERDUTY_STATE_MISSING',
    ])
  })

  test('in a browser without a pending login', async () => {
    const heard = await told(async (app, browser) => {
      const callback = await approve(await app.begin(browser))
      return new Browser().visit(callback)
    })
    expect(heard).toEqual(['otherBrowser', 'ERR_PAGERDUTY_STATE_COOKIE_MISSING'])
  })

  test('beside another pending login', async () => {
    const heard = await told(async (app, browser) => {
      const callback = await approve(await app.begin(browser))
      return browser.visit(altered(callback, { state: 'b' }))
    })
    expect(heard).toEqual(['unknown', 'ERR_PAGERDUTY_STATE_UNKNOWN'])
  })

  test('at another strategy', async () => {
    const heard = await told(async (app, browser) => {
      const callback = await approve(await app.begin(browser, '/auth/other'))
      return browser.visit(callback.replace('/other/', '/pagerduty/'))
    })
    expect(heard).toEqual(['otherStrategy', 'ERR_PAGERDUTY_STATE_COOKIE_MISSING'])
  })

  test('with a cookie that does not open', async () => {
    const heard = await told(async (app, browser) => {
      const callback = await approve(await app.begin(browser))
      for (const [name, value] of browser.cookies) browser.cookies.set(name, value.replace(/.{4}$/, 'AAAA'))
      return browser.visit(callback)
    })
    expect(heard).toEqual(['unreadable', 'ERR_PAGERDUTY_STATE_UNKNOWN'])
  })

  test('that was redeemed before, unsuccessfully', async () => {
    const heard = await told(async (app, browser) => {
      const callback = await approve(await app.begin(browser))
      simulator.failNext('token', 'invalid_grant')
      await browser.copy().visit(callback)
      return browser.visit(callback)
    })
    expect(heard).toEqual(['invalid_grant', 'used', 'ERR_PAGERDUTY_STATE_USED'])
  })

  test('that is too late, twice', async () => {
    const heard = await told(async (app, browser) => {
      const now = Date.now()
      const late = await approve(await app.begin(browser))
      const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 11 * 60_000)
      const again = await browser.visit(late)
      const lateAgain = await approve(again.headers.get('location') as string)
      clock.mockReturnValue(now + 22 * 60_000)
      return browser.visit(lateAgain)
    })
    expect(heard).toEqual(['expired', 'ERR_PAGERDUTY_STATE_EXPIRED'])
  })
})

describe('a denial is emitted', () => {
  test('with the action taken, by the route and not by the URL', async () => {
    const app = await startDropIn(simulator, {}, (express, pd) => {
      express.get('/teams/:team', pd.requireScopes('oncalls.read', { stepUp: false }), () => {})
      express.use('/all', pd.requireLogin())
    })
    const heard: Denial[] = []
    app.pd.on('denied', (denial) => void heard.push(denial))
    const browser = new Browser()
    await browser.visit(`${app.url}/me?a=b`)
    await app.get(browser, '/me?a=b')
    await app.get(browser, '/all/secret')
    await app.logIn(browser)
    await browser.visit(`${app.url}/services?a=b`)
    await app.get(browser, '/teams/secret?a=b')
    const summary = heard.map(({ action, status, reason, method, route, missing, user }) =>
      [action, status, reason, `${method} ${route}`, missing.join(), user?.id].join(' '),
    )
    expect(summary).toEqual([
      'login 401 ERR_PAGERDUTY_UNAUTHORIZED GET /me  ',
      'error 401 ERR_PAGERDUTY_UNAUTHORIZED GET /me  ',
      'error 401 ERR_PAGERDUTY_UNAUTHORIZED GET undefined  ',
      'stepUp 403 insufficient_scope GET /services services.read PACME01',
      'error 403 insufficient_scope GET /teams/:team oncalls.read PACME01',
    ])
    await app.close()
  })

  test('once, and a request that passes emits nothing', async () => {
    const app = await startDropIn(simulator)
    const { browser } = await app.logIn()
    const heard: EventName[] = []
    for (const name of eventNames) app.pd.on(name, () => void heard.push(name))
    expect((await app.get(browser)).status).toBe(200)
    expect((await app.get(browser, '/services')).status).toBe(403)
    expect(heard).toEqual(['denied'])
    await app.close()
  })
})

test('a process that waits for another one’s refresh emits the wait, and which process was first', async () => {
  const heard: { by: unknown; name: EventName; detail: object }[] = []
  await everyEvent(simulator, (pd) => {
    for (const name of ['refresh', 'refreshSkipped', 'lockWait'] as const) {
      pd.on(name, (detail) => void heard.push({ by: pd, name, detail }))
    }
  })
  const [refresh, wait, overtaken] = ['refresh', 'lockWait', 'refreshSkipped'].map((name) =>
    heard.filter((one) => one.name === name),
  )
  const grantID = expect.any(String) as string
  const duration = expect.any(Number) as number
  expect(refresh?.map(({ detail }) => detail)).toEqual([
    expect.objectContaining({ grantID, version: 2, duration }),
  ])
  expect(wait?.map(({ detail }) => detail)).toEqual([{ lock: 'refresh', grantID, duration }])
  expect(overtaken?.map(({ detail }) => detail)).toEqual([{ grantID, version: 2 }])
  expect(wait?.[0]?.by).toBe(overtaken?.[0]?.by)
  expect(wait?.[0]?.by).not.toBe(refresh?.[0]?.by)
})

describe('each event is published on node:diagnostics_channel', () => {
  test('with the name of the instance, and nothing that listeners do not get', async () => {
    const published: Record<string, unknown>[] = []
    const told: Record<string, unknown>[] = []
    const hear = (message: unknown, channel: string | symbol) =>
      void published.push({ channel, ...(message as object) })
    for (const name of eventNames) subscribe(`passport-pagerduty:${name}`, hear)
    await everyEvent(simulator, (pd) => {
      for (const event of eventNames) {
        const channel = `passport-pagerduty:${event}`
        pd.on(event, (detail) => void told.push({ channel, instance: 'pagerduty', ...detail }))
      }
    })
    for (const event of eventNames) unsubscribe(`passport-pagerduty:${event}`, hear)
    expect(published).toEqual(told)
    const heard = new Set(told.map(({ channel }) => String(channel).split(':')[1]))
    expect(heard).toEqual(new Set(eventNames))
  })

  test('by an instance of another name under that name', async () => {
    const hear = jest.fn()
    subscribe('passport-pagerduty:stateMismatch', hear)
    const pd = pagerduty({
      ...simulator.options(),
      scope: 'users.read',
      name: 'acme',
      callbackURL: 'http://localhost/auth/acme/callback',
    })
    const app = await serve((express) => void express.use(pd.auth()))
    await fetch(`${app.url}/auth/acme/callback?code=a`)
    unsubscribe('passport-pagerduty:stateMismatch', hear)
    expect(hear).toHaveBeenCalledWith(
      { instance: 'acme', cause: 'missing' },
      'passport-pagerduty:stateMismatch',
    )
    await Promise.all([app.close(), pd.close()])
  })

  test('and what a subscriber throws or rejects with is Node’s to report, and the event goes on', () => {
    const program = `
      const { subscribe } = require('node:diagnostics_channel')
      const { Events } = require('./src/observability/events')
      process.on('uncaughtException', ({ message }, origin) => console.log(origin, message))
      subscribe('passport-pagerduty:warning', () => { throw new Error('one that throws') })
      subscribe('passport-pagerduty:warning', async () => { throw new Error('one that rejects') })
      subscribe('passport-pagerduty:warning', () => console.log('subscriber'))
      new Events().on('warning', () => console.log('listener')).emit('warning', { error: new Error('one') })
      console.log('went on')`
    const args = ['--no-warnings', '--require', 'esbuild-register', '-e', program]
    expect(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }).split('\n')).toEqual([
      'subscriber',
      'listener',
      'went on',
      'uncaughtException one that throws',
      'unhandledRejection one that rejects',
      '',
    ])
  })
})

test('who subscribes after an event hears the later ones, though memory is cleared up in between', () => {
  const program = `
    const { subscribe } = require('node:diagnostics_channel')
    const { setImmediate } = require('node:timers/promises')
    const { Events } = require('./src/observability/events')
    const emit = () => new Events().emit('logout', {})
    const clearUp = async () => { await setImmediate(); gc() }
    const run = async () => {
      emit()
      await clearUp()
      subscribe('passport-pagerduty:logout', () => console.log('heard'))
      await clearUp()
      await setImmediate()
      emit()
    }
    run()`
  const args = ['--expose-gc', '--no-warnings', '--require', 'esbuild-register', '-e', program]
  expect(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })).toBe('heard\n')
})

describe('docs/events.md has every event', () => {
  const page = readFileSync(join(root, 'docs/events.md'), 'utf8')
  const types = readFileSync(join(root, 'src/observability/event-types.ts'), 'utf8')

  test('with its channel, and no other', () => {
    const documented = page.matchAll(/^\| \[`(\w+)`\]\(#(\w+)\) +\| `passport-pagerduty:(\w+)`/gm)
    const rows = [...documented].map(([, ...row]) => row.join(' '))
    const expected = eventNames.map((name) => [name, name.toLowerCase(), name].join(' '))
    expect(rows.toSorted()).toEqual(expected.toSorted())
  })

  test.each(eventNames)('with a heading of its own and its details: %s', (name) => {
    const [, entry = ''] = new RegExp(`^### \`${name}\`$([^]*?)^###? `, 'm').exec(page) ?? []
    const [, table = ''] = /^\| detail ([^]*?)\n\n/m.exec(entry) ?? []
    const documented = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, detail]) => detail as string)
    expect(documented.toSorted()).toEqual(detailsOf(name).toSorted())
  })

  /** The members of an event's details, from their declaration. */
  function detailsOf(name: string): string[] {
    const declaration = new RegExp(`^ {2}${name}: \\[(?:(.*)\\]|([^]*?)^ {2}\\])$`, 'm')
    const [, inline, block] = declaration.exec(types) ?? []
    const declared = inline ?? block ?? ''
    const isNamed = /^\w+$/.test(declared)
    const [, body = declared] = isNamed
      ? (new RegExp(`^export interface ${declared} \\{([^]*?)^\\}`, 'm').exec(types) ?? [])
      : []
    const code = body.replaceAll(/\/\*\*[^]*?\*\//g, '')
    return [...code.matchAll(/(\w+)\??:/g)].map(([, detail]) => detail as string)
  }
})
