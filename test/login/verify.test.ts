import type { Request } from 'express'
import type { Login, Profile, VerifyCallback, VerifyLogin } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type Verify, resolveVerify } from '../../src/login/verify'
import { type DropIn, startDropIn } from '../support/drop-in'

type Done = (error: unknown, user?: unknown, info?: object) => void

const login = { user: { id: 'PACME01' } } as Login
const req = { path: '/callback' } as Request

/** What a verify of that form decides. */
function decide(verify: unknown): Promise<unknown> {
  return resolveVerify(verify as Verify, false)(login, req, () => Promise.reject(new Error('no profile')))
}

afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

const later = (work: () => void) => void setImmediate(work)

describe('a verify of rest parameters, as wrappers pass it, decides', () => {
  test('by what it returns', async () => {
    expect(await decide((...args: unknown[]) => ({ got: args.length }))).toEqual({ user: { got: 3 } })
    expect(await decide(async (...args: unknown[]) => args[0])).toEqual({ user: login })
    expect(await decide((...args: unknown[]) => args[0] === undefined)).toEqual({ user: false })
  })

  test('by what it calls back with, at once or later', async () => {
    const info = { message: 'hello' }
    expect(await decide((...[, , done]: [Login, Request, Done]) => done(null, 'at once', info))).toEqual({
      user: 'at once',
      info,
    })
    const calling = (...[, , done]: [Login, Request, Done]) => later(() => done(null, 'later', info))
    expect(await decide(calling)).toEqual({ user: 'later', info })
  })

  test('by what it calls back with first, whatever it returns or throws afterwards', async () => {
    const calling = (...[, , done]: [Login, Request, Done]) => done(null, 'called back')
    expect(
      await decide((...args: [Login, Request, Done]) => {
        calling(...args)
        return 'returned'
      }),
    ).toMatchObject({ user: 'called back' })
    expect(
      await decide(async (...args: [Login, Request, Done]) => {
        calling(...args)
        throw new Error('afterwards')
      }),
    ).toMatchObject({ user: 'called back' })
  })

  test('to reject, when it is async and returns nothing', async () => {
    expect(await decide(async (..._args: unknown[]) => {})).toEqual({ user: undefined })
  })

  test('when it calls back, though it returned nothing', async () => {
    jest.useFakeTimers()
    const late = decide((...[, , done]: [Login, Request, Done]) => void setTimeout(done, 9_000, null, 'late'))
    await jest.advanceTimersByTimeAsync(9_000)
    expect(await late).toEqual({ user: 'late' })
  })

  test('by what it throws, rejects with, or calls back with as an error', async () => {
    const error = new Error('of the app')
    const ways: unknown[] = [
      (..._args: unknown[]) => {
        throw error
      },
      async (..._args: unknown[]) => {
        throw error
      },
      (...[, , done]: [Login, Request, Done]) => done(error),
      (...[, , done]: [Login, Request, Done]) => later(() => done(error)),
    ]
    for (const way of ways) await expect(decide(way)).rejects.toBe(error)
  })
})

test.each<[string, VerifyLogin]>([
  ['one', (_login: Login) => undefined],
  ['two', (_login: Login, _req: Request) => undefined],
])(
  'a verify that declares %s of its parameters and returns nothing rejects at once',
  async (_many, verify) => {
    expect(await decide(verify)).toEqual({ user: undefined })
  },
)

test.each([3, 6])('a verify with %d parameters is rejected at start-up', (length) => {
  const verify = Object.defineProperty(() => undefined, 'length', { value: length })
  expect(() => resolveVerify(verify, false)).toThrow(/must have up to two parameters, or four or five/)
})

/** Lets the wait that begins next end at once. */
function passTime(): void {
  jest.spyOn(globalThis, 'setTimeout').mockImplementationOnce(((late: () => void, wait: number) => {
    expect(wait).toBe(10_000)
    return setImmediate(late)
  }) as never)
}

describe('a login fails after ten seconds, and its tokens are taken back,', () => {
  let simulator: Simulator
  beforeEach(async () => {
    simulator = await startPagerDuty()
  })
  afterEach(() => simulator.close())

  test.each<[string, VerifyLogin | VerifyCallback]>([
    ['returns a promise that never settles', (_login: Login) => new Promise(() => {})],
    ['returns nothing and calls nothing', (..._args: unknown[]) => {}],
    ['forgets to call "done"', (_access: string, _refresh: unknown, _profile: Profile, _done: Done) => {}],
  ])('when verify %s', async (_what, verify) => {
    const app = await startDropIn(simulator, { verify: verify as VerifyLogin })
    const { _login: parts } = app.pd.strategy
    const ask = parts.verify
    Object.assign(parts, {
      verify: (...args: Parameters<typeof ask>) => {
        passTime()
        return ask(...args)
      },
    })
    expect(await failure(app)).toBe('"verify" has not decided on a login within ten seconds')
  })

  test('when partialGrant returns a promise that never settles', async () => {
    simulator.configure('simulator-client', { scope: ['users.read'] })
    const partialGrant = () => {
      passTime()
      return new Promise(() => {})
    }
    const app = await startDropIn(simulator, { partialGrant })
    expect(await failure(app)).toBe('"partialGrant" has not decided on a login within ten seconds')
  })

  /** Why a login fails, once nothing is left of it. */
  async function failure(app: DropIn): Promise<string | undefined> {
    const errors: Error[] = []
    app.pd.on('loginFailed', ({ error }) => void errors.push(error))
    const { browser, finished } = await app.logIn()
    expect(finished.status).toBe(500)
    expect((await app.get(browser, '/me')).status).toBe(401)
    await app.close()
    expect(simulator.liveGrants()).toEqual([])
    return errors[0]?.message
  }
})

describe('the user of a login', () => {
  let simulator: Simulator
  beforeAll(async () => {
    simulator = await startPagerDuty()
  })
  afterAll(() => simulator.close())

  test.each<[string, VerifyLogin, object]>([
    ['adds to it and returns it', ({ user }) => Object.assign(user, { role: 'admin' }), { role: 'admin' }],
    [
      'changes it and returns it',
      ({ user }) => Object.assign(user, { name: 'Ada' }),
      { name: 'Ada', id: 'PACME01' },
    ],
    ['returns it as it is', ({ user }) => user, { id: 'PACME01' }],
    ['returns a copy of it', ({ user }) => ({ ...user }), { id: 'PACME01' }],
  ])('is what verify made of it, where it %s', async (_what, verify, expected) => {
    const app = await startDropIn(simulator, { verify }, (express) => {
      express.get('/both', (request, res) => void res.json([request.user, request.pagerduty.user]))
    })
    const { browser } = await app.logIn()
    const [user, signed] = (await (await app.get(browser, '/both')).json()) as [object, object]
    expect(user).toMatchObject(expected)
    expect(Object.keys(signed)).not.toContain('role')
    expect(signed).toMatchObject({ id: 'PACME01' })
    await app.close()
  })

  test('is not stored twice where verify returns it unchanged', async () => {
    const app = await startDropIn(simulator, { verify: ({ user }) => ({ ...user }) })
    const { browser } = await app.logIn()
    const { grants } = app.pd.strategy._login
    const [entry] = await app.pd.grants.list({ accountID: 'PACME00', userID: 'PACME01' })
    const grant = await grants.read(entry?.grantID as string)
    expect(grant?.record.appUser).toBeUndefined()
    expect((await app.get(browser, '/me')).status).toBe(200)
    await app.close()
  })
})
