import { type Login, type PagerDutyOptions, TokenStoreError } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'
import { HeldStore, defer } from '../support/held-store'

// A command that a test holds back is not a store that hangs, however busy the machine is.
jest.mock('../../src/async/timeout', () => ({
  ...jest.requireActual<object>('../../src/async/timeout'),
  withinDeadline: <T>(work: Promise<T>) => work,
}))

const secret = 'a secret of thirty-two characters or more, for tests'
const ada = { accountID: 'PACME00', userID: 'PACME01' }
const bob = { accountID: 'PACME00', userID: 'PACME02' }

let simulator: Simulator
let store: HeldStore
let app: DropIn
let browser: Browser

beforeEach(async () => {
  // It goes on by the true time where a test holds the app's clock.
  simulator = await startPagerDuty({ now: Date.now })
  simulator.configure('simulator-client', {
    scope: ['incidents.read', 'incidents.write', 'users.read', 'services.read'],
  })
  store = new HeldStore()
  browser = new Browser()
  await start()
})
afterEach(async () => {
  jest.restoreAllMocks()
  await app.close()
  await simulator.close()
})

async function start(options: PagerDutyOptions = {}): Promise<void> {
  app = await startDropIn(simulator, { tokenStore: store, secret, ...options }, (express, pd) => {
    express.get('/write', pd.requireScopes('incidents.write'), (_req, res) => void res.json('written'))
    express.get('/id', (req, res) => void res.json(req.pagerduty.grantID ?? null))
    express.post('/destroy', (req, res) => void req.session.destroy(() => res.json('destroyed')))
    express.post('/regenerate', (req, res) => void req.session.regenerate(() => res.json('regenerated')))
  })
}

/** A callback that PagerDuty sends the browser to: of a login, or of a step-up where it is logged in. */
async function callback(
  path = '/auth/pagerduty',
  user = 'PACME01',
  decision: 'allow' | 'deny' = 'allow',
): Promise<string> {
  let at = app.url + path
  while (!at.startsWith(simulator.url)) {
    at = new URL((await browser.visit(at)).headers.get('location') as string, at).href
  }
  return approve(at, { user, decision })
}

async function grantOf(visitor = browser): Promise<string | null> {
  return (await (await visitor.visit(`${app.url}/id`)).json()) as string | null
}

async function listed(owner = ada): Promise<(string | undefined)[]> {
  return (await app.pd.grants.list(owner)).map((grant) => grant.grantID)
}

/** What the responses to several tabs leave in their browser, in the order in which they arrive there. */
function receive(...tabs: Browser[]): void {
  for (const tab of tabs) for (const [name, value] of tab.cookies) browser.cookies.set(name, value)
}

/** Nothing is left of any login: neither here nor, when all has been sent, at PagerDuty. */
async function expectNothingLeft(...tabs: Browser[]): Promise<void> {
  expect([...(await listed(ada)), ...(await listed(bob))]).toEqual([])
  for (const tab of tabs) expect(await grantOf(tab)).toBeNull()
  await app.pd.close()
  expect(simulator.liveGrants()).toEqual([])
}

/** The places in a callback at which another request may come between: commands of the store, and before or after. */
const places: [string, RegExp, 'before' | 'after'][] = [
  ['before its code is redeemed', /^create login:/, 'after'],
  ['before its grant is stored', /^create grant:/, 'before'],
  ['after its grant is stored', /^create grant:/, 'after'],
  ['before its grant is listed', /^(create|replace) user:/, 'before'],
  ['after its grant is listed', /^(create|replace) user:/, 'after'],
  ['before it is done', /^replace login:/, 'before'],
  ['after it is done', /^replace login:/, 'after'],
]

describe('a logout', () => {
  describe.each(places)('that comes to a callback %s', (_when, command, when) => {
    test('ends its login, where it is a step-up', async () => {
      await app.logIn(browser)
      const stepUp = await callback('/write')
      const tab = browser.copy()
      const hold = store.hold(command, when)
      const finishing = tab.visit(stepUp)
      await hold.reached
      expect((await app.logOut(browser.copy())).status).toBe(204)
      hold.release()
      const finished = await finishing
      expect(finished.status).toBe(403)
      expect(await finished.text()).toContain('ERR_PAGERDUTY_LOGIN_ENDED')
      await expectNothingLeft(browser, tab)
    })

    test('ends its login, where no user was logged in', async () => {
      const login = await callback()
      const tab = browser.copy()
      const hold = store.hold(command, when)
      const finishing = tab.visit(login)
      await hold.reached
      expect((await app.logOut(browser.copy())).status).toBe(204)
      hold.release()
      expect([302, 403]).toContain((await finishing).status)
      await expectNothingLeft(browser, tab)
    })
  })

  test.each(['/destroy', '/regenerate'])(
    'by the session (%s) ends the logins in progress as well',
    async (path) => {
      await app.logIn(browser)
      const stepUp = await callback('/write')
      const tab = browser.copy()
      const hold = store.hold(/^create grant:/)
      const finishing = tab.visit(stepUp)
      await hold.reached
      expect((await browser.fetch(app.url + path, { method: 'POST' })).status).toBe(200)
      hold.release()
      expect((await finishing).status).toBe(403)
      await expectNothingLeft(browser, tab)
    },
  )

  test('with the session that a step-up has just replaced ends the new one', async () => {
    await app.logIn(browser)
    const stepUp = await callback('/write')
    const old = browser.copy()
    const hold = store.hold(/^get grant:/)
    const leaving = app.logOut(old)
    await hold.reached
    expect((await browser.visit(stepUp)).status).toBe(302)
    expect((await browser.visit(`${app.url}/write`)).status).toBe(200)
    hold.release()
    expect((await leaving).status).toBe(204)
    await expectNothingLeft(browser, old)
  })

  test('leaves a login that is still at PagerDuty alone: it is a new one when it comes back', async () => {
    await app.logIn(browser)
    const login = await callback()
    await app.logOut(browser)
    expect((await browser.visit(login)).status).toBe(302)
    expect(await listed()).toEqual([await grantOf()])
  })

  test('does not end the logins of another browser', async () => {
    const other = new Browser()
    const login = await approve(await app.begin(other))
    await app.logIn(browser)
    const hold = store.hold(/^create grant:/)
    const finishing = other.visit(login)
    await hold.reached
    await app.logOut(browser)
    hold.release()
    expect((await finishing).status).toBe(302)
    expect(await listed()).toEqual([await grantOf(other)])
  })

  test('ends a step-up whose grant was kept, too', async () => {
    await app.logIn(browser)
    await app.pd.grants.keep((await grantOf()) as string)
    const stepUp = await callback('/write')
    const tab = browser.copy()
    const hold = store.hold(/^create grant:/)
    const finishing = tab.visit(stepUp)
    await hold.reached
    await app.logOut(browser)
    hold.release()
    expect((await finishing).status).toBe(403)
    await expectNothingLeft(browser, tab)
  })
})

describe('grants.revoke(owner)', () => {
  describe.each(places)('that comes to a callback %s', (_when, command, when) => {
    test.each(['/auth/pagerduty', '/write'])('ends its login (%s)', async (path) => {
      if (path === '/write') await app.logIn(browser)
      const login = await callback(path)
      const tab = browser.copy()
      const hold = store.hold(command, when)
      const finishing = tab.visit(login)
      await hold.reached
      await app.pd.grants.revoke(ada)
      hold.release()
      const finished = await finishing
      expect([302, 403]).toContain(finished.status)
      await expectNothingLeft(browser, tab)
    })
  })

  test('says what happened to a login that it ended, and lets the next one in', async () => {
    const login = await callback()
    const hold = store.hold(/^create grant:/)
    const finishing = browser.visit(login)
    await hold.reached
    await app.pd.grants.revoke(ada)
    hold.release()
    const finished = await finishing
    expect(finished.status).toBe(403)
    const text = await finished.text()
    expect(text).toContain('All of your logins were ended while this one was in progress. Log in again.')
    expect(text).toContain('ERR_PAGERDUTY_ALL_LOGINS_ENDED')
    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 1)
    expect((await app.logIn(browser)).finished.status).toBe(302)
    expect(await listed()).toEqual([await grantOf()])
  })

  test('leaves the login of another user alone', async () => {
    const login = await callback('/auth/pagerduty', 'PACME02')
    const hold = store.hold(/^create grant:/)
    const finishing = browser.visit(login)
    await hold.reached
    await app.pd.grants.revoke(ada)
    hold.release()
    expect((await finishing).status).toBe(302)
    expect(await listed(bob)).toEqual([await grantOf()])
  })
})

test.each([...places])(
  'grants.revoke(id) of the grant that a step-up began with ends the step-up, %s',
  async (_when, command, when) => {
    await app.logIn(browser)
    const held = (await grantOf()) as string
    const stepUp = await callback('/write')
    const hold = store.hold(command, when)
    const finishing = browser.visit(stepUp)
    await hold.reached
    await app.pd.grants.revoke(held)
    hold.release()
    expect((await finishing).status).toBe(403)
    await expectNothingLeft(browser)
  },
)

test('a login in a session whose grant ended before is not taken for one that was ended meanwhile', async () => {
  await app.logIn(browser)
  const login = await callback()
  await app.pd.grants.revoke((await grantOf()) as string)
  expect((await browser.visit(login)).status).toBe(302)
  expect(await listed()).toEqual([await grantOf()])
})

describe('two tabs that finish together', () => {
  /** Two callbacks at once; the second is held at a place while the first goes through, and goes on then. */
  async function together(
    paths: readonly [string, string],
    hold: [command: RegExp, when: 'before' | 'after'],
    users: readonly [string, string] = ['PACME01', 'PACME01'],
  ): Promise<{ tabs: [Browser, Browser]; answers: [Response, Response] }> {
    const callbacks = [await callback(paths[0], users[0]), await callback(paths[1], users[1])] as const
    const tabs: [Browser, Browser] = [browser.copy(), browser.copy()]
    const held = store.hold(...hold)
    const second = tabs[1].visit(callbacks[1])
    await held.reached
    // The one that is held may be the one that the other waits for.
    const first = tabs[0].visit(callbacks[0])
    const isWaiting = store.hold(/^get login:/)
    await Promise.race([first, isWaiting.reached])
    isWaiting.release()
    held.release()
    return { tabs, answers: [await first, await second] }
  }

  describe.each(places.slice(1))('while one is held %s', (_when, command, when) => {
    test.each<[string, readonly [string, string]]>([
      ['two logins', ['/auth/pagerduty', '/auth/pagerduty']],
      ['two step-ups', ['/write', '/services']],
      ['two step-ups, the other way round', ['/services', '/write']],
      ['a login and a step-up', ['/auth/pagerduty', '/write']],
    ])(
      'have one grant, whichever response arrives last, and one logout ends it: %s',
      async (_what, paths) => {
        if (paths.includes('/write')) await app.logIn(browser)
        const { tabs, answers } = await together(paths, [command, when])
        expect(answers.map((answer) => answer.status)).toEqual([302, 302])
        const grants = await listed()
        expect(grants).toHaveLength(1)
        expect([await grantOf(tabs[0]), await grantOf(tabs[1])]).toEqual([...grants, ...grants])
        await app.logOut(tabs[0])
        await expectNothingLeft(...tabs)
      },
    )

    test('as different users leave one login, and end the other one', async () => {
      const paths = ['/auth/pagerduty', '/auth/pagerduty'] as const
      const { tabs } = await together(paths, [command, when], ['PACME01', 'PACME02'])
      const grants = [...(await listed(ada)), ...(await listed(bob))]
      expect(grants).toHaveLength(1)
      const held = [await grantOf(tabs[0]), await grantOf(tabs[1])]
      expect(held.filter((grant) => grant !== null)).toEqual(grants)
      receive(...(held[0] === null ? [tabs[0], tabs[1]] : [tabs[1], tabs[0]]))
      await app.logOut(browser)
      await expectNothingLeft(...tabs)
    })
  })

  test('get both scopes, with one more consent', async () => {
    await app.logIn(browser)
    const { tabs } = await together(['/write', '/services'], [/^create grant:/, 'before'])
    receive(...tabs)
    simulator.settings.autoApprove = 'PACME01'
    expect((await browser.follow(`${app.url}/services`)).status).toBe(200)
    expect((await browser.follow(`${app.url}/write`)).status).toBe(200)
    expect(browser.trail.filter((url) => url.includes('/oauth/authorize?'))).toHaveLength(1)
    expect(await listed()).toEqual([await grantOf()])
  })

  test('of which one is denied leave the other logged in', async () => {
    const [first, second] = [await callback(), await approve(await app.begin(browser), { decision: 'deny' })]
    const [one, other] = [browser.copy(), browser.copy()]
    const hold = store.hold(/^create grant:/)
    const finishing = one.visit(first)
    await hold.reached
    expect((await other.visit(second)).status).toBe(403)
    hold.release()
    expect((await finishing).status).toBe(302)
    expect(await listed()).toEqual([await grantOf(one)])
  })

  test('are not kept waiting by one whose process is gone', async () => {
    const [first, second] = [await callback(), await callback()]
    const [one, other] = [browser.copy(), browser.copy()]
    const gone = store.hold(/^create grant:/)
    const never = one.visit(first)
    await gone.reached
    expect((await other.visit(second)).status).toBe(302)
    expect(await listed()).toEqual([await grantOf(other)])
    gone.release()
    await never
  })
})

describe('logins of several tabs that fail together leave no token, where', () => {
  const troubles: [string, () => Promise<unknown> | void, statuses: number[]][] = [
    ['grants.revoke(owner) ends them', () => app.pd.grants.revoke(ada), [403]],
    ['a logout in another tab ends them', () => app.logOut(browser.copy()), [403]],
    ['they cannot be listed', () => failAll(/^(get|create|replace) user:/), [503]],
  ]

  describe.each(troubles)('%s', (_what, trouble, statuses) => {
    test.each([
      [2, 'before their grants are stored', 'before'],
      [2, 'after their grants are stored', 'after'],
      [3, 'after their grants are stored', 'after'],
    ] as const)('%d of them, %s', async (count, _when, when) => {
      const at: string[] = []
      for (let i = 0; i < count; i++) at.push(await callback())
      const tabs = at.map(() => browser.copy())
      const holds = at.map(() => store.hold(/^create grant:/, when))
      const answers = at.map((url, i) => (tabs[i] as Browser).visit(url))
      await Promise.all(holds.map((hold) => hold.reached))
      await trouble()
      for (const hold of holds) hold.release()
      for (const answer of answers) expect(statuses).toContain((await answer).status)
      store.fault = undefined
      await expectNothingLeft(browser, ...tabs)
    })
  })
})

/** Commands of a kind fail, and do not take effect. */
function failAll(command: RegExp): void {
  store.fault = (sent) => (command.test(sent) ? new TokenStoreError('no reply') : undefined)
}

/** The next command of a kind fails, and does not take effect. */
function failOnce(command: RegExp): void {
  store.fault = (sent) => {
    if (!command.test(sent)) return undefined
    store.fault = undefined
    return new TokenStoreError('no reply')
  }
}

test.each([
  ['stored', /^create grant:/],
  ['listed', /^get user:/],
  ['compared with others', /^get login:/],
])('a login that fails as it is to be %s does not have the tokens of another tab revoked', async (_, at) => {
  const [first, second] = [await callback(), await callback()]
  const [one, other] = [browser.copy(), browser.copy()]
  const hold = store.hold(at)
  const failing = other.visit(second)
  await hold.reached
  expect((await one.visit(first)).status).toBe(302)
  hold.fail(new TokenStoreError('no reply'))
  expect((await failing).status).toBe(503)
  await app.pd.close()
  expect(simulator.calls.revoke).toBe(0)
  expect(await listed()).toEqual([await grantOf(one)])
  await app.logOut(one)
  await expectNothingLeft(one, other)
})

test.each([
  ['', async () => {}],
  [', though its callback was opened again', async (first: string) => void (await browser.visit(first))],
])('a login that a failed one has replaced leaves its tokens to the next one%s', async (_, meanwhile) => {
  const first = await callback()
  const tab = browser.copy()
  const hold = store.hold(/^create grant:/)
  const failing = tab.visit(first)
  await hold.reached
  const second = await callback()
  const reply = store.hold(/^replace login:/, 'after')
  const replacing = browser.visit(second)
  await reply.reached
  reply.fail(new TokenStoreError('no reply'))
  expect((await replacing).status).toBe(503)
  await meanwhile(first)
  await app.logIn(browser)
  hold.fail(new TokenStoreError('no reply'))
  expect((await failing).status).toBe(503)
  await app.pd.close()
  // Those of the second login.
  expect(simulator.calls.revoke).toBe(1)
  expect(await listed()).toEqual([await grantOf()])
  await app.logOut(browser)
  await expectNothingLeft(browser, tab)
})

test('two logins that a failed one has replaced do not replace each other', async () => {
  await app.logIn(browser)
  const held = await grantOf()
  const tabs = [await callback(), await callback()].map((url) => ({ url, tab: browser.copy() }))
  const listing = tabs.map(() => store.hold(/^get user:/))
  const finishing = tabs.map(({ url, tab }) => tab.visit(url))
  await Promise.all(listing.map((hold) => hold.reached))
  const third = await callback()
  for (const overruled of tabs.map(() => store.hold(/^replace login:/))) overruled.release()
  const outcome = store.hold(/^replace login:/)
  const failing = browser.visit(third)
  await outcome.reached
  outcome.fail(new TokenStoreError('no reply'))
  expect((await failing).status).toBe(503)
  const decided = tabs.map(() => store.hold(/^replace login:/))
  for (const hold of listing) hold.release()
  await Promise.all(decided.map((hold) => hold.reached))
  for (const hold of decided) hold.release()
  await Promise.all(finishing)
  await app.pd.close()
  expect(simulator.calls.revoke).toBe(0)
  expect(await grantOf()).toBe(held)
})

test('a second click gets no session of a login that is not done yet, though that has taken the tokens', async () => {
  const first = await callback()
  const [one, again] = [browser.copy(), browser.copy()]
  const listing = store.hold(/^get user:/)
  const failing = one.visit(first)
  await listing.reached
  const second = await callback()
  const outcome = store.hold(/^replace login:/, 'after')
  const finishing = browser.visit(second)
  await outcome.reached
  const done = store.hold(/^replace login:/)
  outcome.release()
  await done.reached
  // The second grant takes its tokens first, then it leads there.
  store.hold(/^replace grant:/).release()
  const forwarded = store.hold(/^replace grant:/, 'after')
  listing.fail(new TokenStoreError('no reply'))
  expect((await failing).status).toBe(503)
  await forwarded.reached
  forwarded.release()
  const asked = store.hold(/^get login:/)
  const clicked = again.visit(first)
  await asked.reached
  asked.release()
  done.fail(new TokenStoreError('no reply'))
  expect((await finishing).status).toBe(503)
  await clicked
  expect(again.cookies.has('pagerduty')).toBe(false)
  await expectNothingLeft(browser, one, again)
})

test('a callback that was sent before another login began shares its grant all the same', async () => {
  const first = await callback()
  const early = browser.copy()
  const hold = store.hold(/^create login:/)
  const finishing = early.visit(first)
  await hold.reached
  expect((await browser.visit(await callback())).status).toBe(302)
  hold.release()
  expect((await finishing).status).toBe(302)
  expect(await listed()).toEqual([await grantOf()])
  expect(await grantOf(early)).toBe(await grantOf())
  await app.logOut(early)
  await expectNothingLeft(browser, early)
})

test('a login that another one has replaced presents what has come in the place of that one since', async () => {
  const [first, second] = [await callback(), await callback()]
  const slow = browser.copy()
  const made = store.hold(/^create grant:/)
  const finishing = slow.visit(first)
  await made.reached
  expect((await browser.visit(second)).status).toBe(302)
  const deciding = store.hold(/^replace login:/)
  made.release()
  await deciding.reached
  expect((await browser.visit(await callback())).status).toBe(302)
  deciding.release()
  expect((await finishing).status).toBe(302)
  expect(await listed()).toEqual([await grantOf()])
  expect(await grantOf(slow)).toBe(await grantOf())
})

test('a login shares what an earlier one presents that was replaced, though the one that replaced it is known no more', async () => {
  const [first, second] = [await callback(), await callback()]
  const slow = browser.copy()
  const made = store.hold(/^create grant:/)
  const finishing = slow.visit(first)
  await made.reached
  const lost = browser.copy()
  expect((await lost.visit(second)).status).toBe(302)
  const answering = store.hold(/^create sess:/)
  made.release()
  await answering.reached
  // The browser has the response to the second one, but not its cookie.
  for (const name of browser.cookies.keys()) if (!lost.cookies.has(name)) browser.cookies.delete(name)
  expect((await browser.visit(await callback())).status).toBe(302)
  answering.release()
  expect((await finishing).status).toBe(302)
  expect(await listed()).toEqual([await grantOf()])
  expect(await grantOf(slow)).toBe(await grantOf())
})

test.each([
  ['deleting the old session', /^delete sess:/],
  ['storing the new session', /^(create|get) sess:[\w-]+\.[\w-]+$/],
  ['replacing the old grant', /^replace grant:/],
  ['extending the new grant', /^replace grant:/],
])('a store that fails once at %s does not log out who logs in again', async (what, command) => {
  await app.logIn(browser)
  const again = await callback()
  const place = /new/.test(what) ? /^replace grant:/ : /^replace login:/
  const hold = store.hold(what.startsWith('extending') ? /^create sess:/ : place, 'after')
  const finishing = browser.visit(again)
  await hold.reached
  if (what.startsWith('storing')) {
    const deleted = store.hold(/^delete sess:/, 'after')
    hold.release()
    await deleted.reached
    failOnce(command)
    deleted.release()
  } else {
    failOnce(command)
    hold.release()
  }
  expect((await finishing).status).toBe(302)
  const id = await grantOf()
  expect(store.fault).toBeUndefined()
  expect(await listed()).toEqual([id])
  const now = Date.now()
  const clock = performance.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + 70_000)
  jest.spyOn(performance, 'now').mockReturnValue(clock + 70_000)
  expect(await grantOf()).toBe(id)
})

test('a second callback of a replaced login does not log out when the old session is deleted without a reply', async () => {
  const [first, second] = [await callback(), await callback()]
  const slow = browser.copy()
  const made = store.hold(/^create grant:/)
  const finishing = slow.visit(first)
  await made.reached
  expect((await browser.visit(second)).status).toBe(302)
  made.release()
  expect((await finishing).status).toBe(302)
  const deleted = store.hold(/^delete sess:/, 'after')
  const again = browser.visit(first)
  await deleted.reached
  deleted.fail(new TokenStoreError('no reply'))
  expect((await again).status).toBe(302)
  expect(await listed()).toEqual([await grantOf()])
})

test('a login whose grant was revoked does not take the place of one that was kept', async () => {
  await app.logIn(browser)
  const held = (await grantOf()) as string
  const again = await callback()
  const hold = store.hold(/^replace login:/, 'after')
  const finishing = browser.visit(again)
  await hold.reached
  await app.pd.grants.keep(held)
  const [made] = (await listed()).filter((id) => id !== held)
  await app.pd.grants.revoke(made as string)
  hold.release()
  expect((await finishing).status).toBe(403)
  expect(await grantOf()).toBe(held)
})

test('grants.revoke(owner) ends a login whose callback has arrived, though its session is still being read', async () => {
  await app.logIn(browser)
  const stepUp = await callback('/write')
  const holds = [store.hold(/^get sess:/), store.hold(/^get grant:/)]
  const finishing = browser.visit(stepUp)
  await Promise.all(holds.map((hold) => hold.reached))
  await app.pd.grants.revoke(ada)
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 5)
  for (const hold of holds) hold.release()
  expect((await finishing).status).toBe(403)
  await expectNothingLeft(browser)
})

test('a login whose grant was replaced while its session was stored leaves the browser its cookie', async () => {
  const first = await callback()
  const slow = browser.copy()
  const hold = store.hold(/^create sess:/)
  const outcome = store.hold(/^replace login:/, 'after')
  const finishing = slow.visit(first)
  await Promise.all([hold.reached, outcome.reached])
  outcome.release()
  expect((await browser.visit(await callback())).status).toBe(302)
  const shared = await grantOf()
  await app.logIn(browser)
  const replacing = (await grantOf()) as string
  expect(replacing).not.toBe(shared)
  // As long as logins take that go to PagerDuty and back.
  const clock = performance.now.bind(performance)
  jest.spyOn(performance, 'now').mockImplementation(() => clock() + 1_000)
  hold.release()
  const answer = await finishing
  expect(answer.status).toBe(302)
  expect(answer.headers.getSetCookie().filter((line) => line.startsWith('pagerduty='))).toEqual([])
  expect(await listed()).toEqual([replacing])
  expect(await grantOf()).toBe(replacing)
})

test('a response that writes to the session of a login does not bring its cookie back', async () => {
  await app.logIn(browser)
  const denied = await callback('/write', 'PACME01', 'deny')
  const slow = browser.copy()
  const hold = store.hold(/^create login:/)
  const finishing = slow.visit(denied)
  await hold.reached
  await app.logIn(browser)
  hold.release()
  const answer = await finishing
  expect(answer.status).toBe(302)
  expect(answer.headers.getSetCookie().filter((line) => line.startsWith('pagerduty='))).toEqual([])
})

test('a login whose response never arrived does not stay alongside the next one', async () => {
  const [lost, next] = [await callback(), await callback()]
  const tab = browser.copy()
  await tab.visit(lost)
  const now = Date.now()
  jest.spyOn(Date, 'now').mockReturnValue(now + 30_000)
  expect((await browser.visit(next)).status).toBe(302)
  expect(await listed()).toEqual([await grantOf()])
  expect(await grantOf(tab)).toBeNull()
  await app.logOut(browser)
  await expectNothingLeft(browser, tab)
})

test('a response that arrives after its login was logged out, and another one done, logs the browser out', async () => {
  const slow = await callback()
  const tab = browser.copy()
  await tab.visit(slow)
  expect((await app.logOut(browser)).status).toBe(204)
  await browser.visit(await callback())
  const covered = await grantOf()
  receive(tab)
  expect(await grantOf()).toBeNull()
  // Where the user can end it.
  expect(await listed()).toEqual([covered])
})

describe('the callback of a login once more, with the cookie from before', () => {
  const at = (time: number) => void jest.spyOn(Date, 'now').mockReturnValue(time)

  test.each([
    [9_999, 302],
    [10_000, 403],
    [5 * 60_000, 403],
  ])('%d ms after it was finished gets a %d', async (age, status) => {
    const now = Date.now()
    at(now)
    const login = await callback()
    const thief = browser.copy()
    await browser.visit(login)
    at(now + age)
    const answer = await thief.visit(login)
    expect(answer.status).toBe(status)
    expect((await answer.text()).includes('ERR_PAGERDUTY_STATE_USED')).toBe(status === 403)
    expect((await grantOf(thief)) !== null).toBe(status === 302)
    expect(simulator.calls.token.authorization_code).toBe(1)
  })

  test('sends the browser on that holds the login', async () => {
    const now = Date.now()
    at(now)
    const login = await callback('/auth/pagerduty?returnTo=/me')
    const pending = new Map(browser.cookies)
    await browser.visit(login)
    for (const [name, value] of pending) browser.cookies.set(name, value)
    at(now + 60_000)
    const answer = await browser.visit(login)
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/me'])
    expect(await grantOf()).not.toBeNull()
  })

  test('waits for the first one, however long that takes', async () => {
    const login = await callback()
    const second = browser.copy()
    const hold = store.hold(/^create grant:/)
    const first = browser.visit(login)
    await hold.reached
    const waiting = store.hold(/^get login:/)
    const joining = second.visit(login)
    await waiting.reached
    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
    waiting.release()
    hold.release()
    expect([(await first).status, (await joining).status]).toEqual([302, 302])
    expect(await grantOf(second)).toBe(await grantOf())
  })
})

describe('where another user is logged in', () => {
  /** Both have read the session of that user before one of them ends it. */
  test.each([
    ['a second click', (login: string) => Promise.resolve(login)],
    ['a second tab', () => callback()],
  ])('%s shares the login', async (_what, other) => {
    await app.logIn(browser, { user: 'PACME02' })
    const login = await callback()
    const again = await other(login)
    const second = browser.copy()
    const hold = store.hold(/^create grant:/)
    const first = browser.visit(login)
    await hold.reached
    const reading = store.hold(/^get login:/)
    const joining = second.visit(again)
    await reading.reached
    reading.release()
    hold.release()
    expect([(await first).status, (await joining).status]).toEqual([302, 302])
    const id = await grantOf()
    expect([await listed(), await grantOf(second)]).toEqual([[id], id])
    expect(await listed(bob)).toEqual([])
  })

  test('a second click does not log in who has logged out', async () => {
    await app.logIn(browser, { user: 'PACME02' })
    const login = await callback()
    const second = browser.copy()
    const replaced = store.hold(/^replace login:/, 'after')
    const first = browser.visit(login)
    await replaced.reached
    const joining = second.visit(login)
    const reading = store.hold(/^replace grant:/, 'after')
    replaced.release()
    await reading.reached
    expect((await app.logOut(browser.copy())).status).toBe(204)
    reading.release()
    await Promise.all([first, joining])
    expect([await grantOf(), await grantOf(second)]).toEqual([null, null])
  })
})

test('a login’s session has the cookie of the options, whatever verify has done to the one from before', async () => {
  await app.close()
  const verify = (_login: Login, req: { session: { cookie: { maxAge?: number } } }) => {
    req.session.cookie.maxAge = 3_000
    return { id: 'ada' }
  }
  app = await startDropIn(simulator, { tokenStore: store, secret, verify: verify as never }, (express) => {
    express.get('/lifetime', (req, res) => void res.json(req.session.cookie.originalMaxAge))
  })
  await app.logIn(browser)
  expect(await (await browser.visit(`${app.url}/lifetime`)).json()).toBe(30 * 86_400_000)
})

test('verify that rejects one of two tabs leaves the other logged in', async () => {
  await app.close()
  let asked = 0
  await start({ verify: ({ user }: Login) => (++asked === 2 ? false : user) })
  const [first, second] = [await callback(), await callback()]
  const other = browser.copy()
  expect((await browser.visit(first)).status).toBe(302)
  expect((await other.visit(second)).status).toBe(403)
  expect(await listed()).toEqual([await grantOf()])
  // Its tokens are revoked with those of the other one: PagerDuty may count both as one authorization.
  expect(simulator.calls.revoke).toBe(0)
  await app.logOut(browser)
  await expectNothingLeft(browser)
})

test('a second click whose grant is replaced while its session is stored leaves the browser its cookie', async () => {
  const login = await callback()
  const again = browser.copy()
  await browser.visit(login)
  // However quickly that goes.
  jest.spyOn(performance, 'now').mockReturnValue(performance.now())
  const hold = store.hold(/^create sess:/)
  const clicked = again.visit(login)
  await hold.reached
  await browser.visit(await callback('/write'))
  hold.release()
  expect((await clicked).status).toBe(302)
  expect(again.cookies.has('pagerduty')).toBe(false)
  expect(await listed()).toEqual([await grantOf()])
})

describe('a second click that verify keeps waiting', () => {
  let [asked, release] = [defer(), defer()]
  let again: Browser
  let clicked: Promise<Response>

  beforeEach(async () => {
    await app.close()
    ;[asked, release] = [defer(), defer()]
    let times = 0
    const verify = async ({ user }: Login) => {
      if (++times === 2) {
        asked.resolve()
        await release.promise
      }
      return user
    }
    await start({ verify })
    const login = await callback()
    again = browser.copy()
    await browser.visit(login)
    clicked = again.visit(login)
    await asked.promise
  })

  test('presents the grant of the step-up that the browser made meanwhile', async () => {
    await browser.visit(await callback('/write'))
    const wider = await grantOf()
    release.resolve()
    expect((await clicked).status).toBe(302)
    expect(await grantOf(again)).toBe(wider)
    expect(await listed()).toEqual([wider])
  })

  test('logs in no user who has logged out meanwhile', async () => {
    await app.logOut(browser)
    release.resolve()
    expect((await clicked).status).toBe(403)
    expect(again.cookies.has('pagerduty')).toBe(false)
    await expectNothingLeft(browser, again)
  })
})

describe('a login that cannot be listed', () => {
  test.each([
    ['read', /^get user:/],
    ['written', /^create user:/],
  ])('because the list cannot be %s is not made, for neither of two clicks', async (_what, command) => {
    const login = await callback()
    const second = browser.copy()
    store.fault = (sent) => (command.test(sent) ? new TokenStoreError('no reply') : undefined)
    const hold = store.hold(/^create grant:/)
    const first = browser.visit(login)
    await hold.reached
    const waiting = store.hold(/^get login:/)
    const joining = second.visit(login)
    await waiting.reached
    hold.release()
    const failed = await first
    expect([failed.status, failed.headers.get('retry-after')]).toEqual([503, '2'])
    waiting.release()
    expect((await joining).status).toBe(403)
    store.fault = undefined
    await expectNothingLeft(browser, second)
  })

  test('is not made either when its outcome cannot be written, and no logged-in user is logged out', async () => {
    await app.logIn(browser)
    const stepUp = await callback('/write')
    store.fault = (sent) => (sent.startsWith('replace login:') ? new TokenStoreError('no reply') : undefined)
    expect((await browser.visit(stepUp)).status).toBe(503)
    store.fault = undefined
    expect((await app.get(browser)).status).toBe(200)
    // Its grant goes once the store has told how the login ended.
    await app.pd.close()
    expect(await listed()).toEqual([await grantOf()])
    expect(simulator.calls.revoke).toBe(0)
    await app.logOut(browser)
    await expectNothingLeft(browser)
  })
})

test('a step-up whose old grant cannot be replaced leaves the login as it was', async () => {
  await app.logIn(browser)
  const before = await grantOf()
  const stepUp = await callback('/write')
  const done = store.hold(/^replace login:/, 'after')
  const finishing = browser.visit(stepUp)
  await done.reached
  store.fault = (sent) => (sent.startsWith('replace grant:') ? new TokenStoreError('no reply') : undefined)
  done.release()
  expect((await finishing).status).toBe(503)
  store.fault = undefined
  expect(await grantOf()).toBe(before)
  expect((await app.get(browser)).status).toBe(200)
})

test('a step-up that fails at the very end stays where its second click has come through', async () => {
  await app.logIn(browser)
  const stepUp = await callback('/write')
  const second = browser.copy()
  const settled = store.hold(/^replace login:/, 'after')
  const first = browser.visit(stepUp)
  await settled.reached
  expect((await second.visit(stepUp)).status).toBe(302)
  // The reply to the first one gets lost.
  store.fault = (sent) => (sent.startsWith('get login:') ? new TokenStoreError('no reply') : undefined)
  settled.fail(new TokenStoreError('no reply'))
  expect((await first).status).toBe(503)
  store.fault = undefined
  expect((await second.visit(`${app.url}/write`)).status).toBe(200)
  expect(await listed()).toEqual([await grantOf(second)])
  await app.logOut(second)
  await expectNothingLeft(browser, second)
})
