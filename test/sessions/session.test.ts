import type { Request } from 'express'
import { type Session, grantIDOf } from '../../src/sessions/session'
import { carryGrant } from '../../src/sessions/login-session'
import { guardSession, newSessionID } from '../../src/sessions/session-lifecycle'
import type { UserGrants } from '../../src/grants/grants'

const forget = jest.fn<Promise<void>, [string]>()
const replaced = jest.fn<Promise<void>, [string]>()
const failed = jest.fn<Promise<void>, [error: unknown, previous: string | undefined, isRenewed: boolean]>()
const endLogins = jest.fn<Promise<void>, [Request]>()
const logins = { startLogin: () => {}, endLogins }
const grants = { client: { name: 'pagerduty' }, forget } as unknown as UserGrants

beforeEach(() => {
  forget.mockReset().mockResolvedValue()
  replaced.mockReset().mockResolvedValue()
  failed.mockReset().mockResolvedValue()
  endLogins.mockReset().mockResolvedValue()
})

const loggedIn = { grants: { pagerduty: 'the-grant' }, login: 'pagerduty' }

/** What a session has that holds a grant of this id. */
function holding(id: unknown): Record<string, unknown> {
  return { pagerduty: { grants: { pagerduty: id } } }
}

/** A session as express-session makes them, and the request that holds it. */
function start(members: Record<string, unknown> = {}, failure?: Error): { req: Request; session: Session } {
  const req = {} as { session?: Session }
  const make = (more: object): Session =>
    Object.assign(
      Object.create({
        regenerate(callback: (error?: unknown) => void) {
          if (failure === undefined) req.session = make({})
          callback(failure)
          return this
        },
        destroy(callback: (error?: unknown) => void) {
          delete req.session
          callback(failure)
          return this
        },
      }) as Session,
      more,
    )
  req.session = make(members)
  return { req: req as unknown as Request, session: req.session }
}

/** A login that makes `the-grant`. */
function carry(req: Request, extra: Record<string, unknown> = {}): void {
  carryGrant(req, grants, 'the-grant', extra, { replace: replaced, failed }, logins)
}

function called(session: Session, method: 'regenerate' | 'destroy'): Promise<unknown> {
  return new Promise((resolve) => session[method](resolve))
}

function held(req: Request): Record<string, unknown> {
  return { ...(req as unknown as { session?: Session }).session }
}

describe('a session id', () => {
  test('identifies the grant of the login that it is made for, and none before a login', async () => {
    const { req, session } = start()
    const plain = newSessionID(req, 'pagerduty')
    expect(plain).toMatch(/^[\w-]{32}$/)
    expect(grantIDOf(plain)).toBeUndefined()
    carry(req)
    await called(session, 'regenerate')
    const carrying = newSessionID(req, 'pagerduty')
    expect(newSessionID(req, 'another')).toMatch(/^[\w-]{32}$/)
    expect(carrying).toMatch(/^the-grant\.[\w-]{32}$/)
    expect(grantIDOf(carrying)).toBe('the-grant')
  })
})

describe('a session that a login regenerates', () => {
  test('carries the grant and what was to be kept, and hides the methods that watch over it from its store', async () => {
    const { req, session } = start()
    carry(req, { returnTo: '/a' })
    expect(await called(session, 'regenerate')).toBeUndefined()
    expect(held(req)).toEqual({ returnTo: '/a', pagerduty: loggedIn })
    expect(forget).not.toHaveBeenCalled()
  })

  test('reports that the previous grant is replaced, which does not end it as a logout does', async () => {
    const { req, session } = start(holding('the-old-one'))
    carry(req)
    await called(session, 'regenerate')
    expect(replaced.mock.calls).toEqual([['the-old-one']])
    expect(forget).not.toHaveBeenCalled()
  })

  test.each([['the-grant'], [undefined], [5]])('replaces nothing where it held %p', async (before) => {
    const { req, session } = start(holding(before))
    carry(req)
    await called(session, 'regenerate')
    expect(replaced).not.toHaveBeenCalled()
    expect(held(req)).toEqual({ pagerduty: loggedIn })
  })

  test('that fails carries nothing, and says why', async () => {
    const failure = new Error('store down')
    const { req, session } = start({}, failure)
    carry(req)
    expect(await called(session, 'regenerate')).toBe(failure)
    expect(held(req)).toEqual({})
    expect(failed.mock.calls).toEqual([[failure, undefined, false]])
  })

  test('that fails leaves the session that was there on the request, whole', async () => {
    const members = { ...holding('the-old-one'), cart: 'apple' }
    const { req, session } = start(members, new Error('store down'))
    carry(req)
    await called(session, 'regenerate')
    expect((req as unknown as { session: Session }).session).toBe(session)
    expect(held(req)).toEqual(members)
  })

  test('that comes back without a session is a failure', async () => {
    const { req, session } = start()
    carry(req)
    Object.defineProperty(req, 'session', { get: () => undefined, set: () => {} })
    expect(await called(session, 'regenerate')).toEqual(new Error('The session could not be regenerated'))
  })

  test('stays as it is where the old grant could not be replaced', async () => {
    const failure = new Error('store down')
    replaced.mockRejectedValue(failure)
    const { req, session } = start(holding('the-old-one'))
    carry(req)
    expect(await called(session, 'regenerate')).toBe(failure)
    expect((req as unknown as { session: Session }).session).toBe(session)
    expect(held(req)).toEqual(holding('the-old-one'))
    expect(failed.mock.calls).toEqual([[failure, 'the-old-one', false]])
    expect(forget).not.toHaveBeenCalled()
  })
})

describe('a session with a grant', () => {
  test.each(['regenerate', 'destroy'] as const)('ends it by %s, before it ends itself', async (method) => {
    const { req, session } = start(holding('the-grant'))
    guardSession(req, { grants, logins: undefined })
    expect(await called(session, method)).toBeUndefined()
    expect(forget.mock.calls).toEqual([['the-grant']])
    expect(session['pagerduty']).toBeUndefined()
  })

  test.each(['regenerate', 'destroy'] as const)(
    'ends the logins in progress by %s, after its grant, also when a login has just made it',
    async (method) => {
      const order: string[] = []
      forget.mockImplementation(async (id) => void order.push(id))
      endLogins.mockImplementation(async () => void order.push('logins in progress'))
      const { req, session } = start(holding('the-grant'))
      guardSession(req, { grants, logins })
      await called(session, method)
      const login = start()
      carry(login.req)
      await called(login.session, 'regenerate')
      await called((login.req as unknown as { session: Session }).session, method)
      expect(order).toEqual(['the-grant', 'logins in progress', 'the-grant', 'logins in progress'])
      expect(endLogins.mock.calls).toEqual([[req], [login.req]])
    },
  )

  test.each(['regenerate', 'destroy'] as const)(
    'stays by %s where its grant could not be ended',
    async (method) => {
      const failure = new Error('store down')
      forget.mockRejectedValue(failure)
      const { req, session } = start(holding('the-grant'))
      guardSession(req, { grants, logins: undefined })
      expect(await called(session, method)).toBe(failure)
      expect((req as unknown as { session: Session }).session).toBe(session)
    },
  )

  test.each([[undefined], [5], [['the-grant']]])('that is %p ends nothing', async (value) => {
    const { req, session } = start(holding(value))
    guardSession(req, { grants, logins: undefined })
    await called(session, 'destroy')
    expect(forget).not.toHaveBeenCalled()
  })

  test('may be ended without a callback, and its methods may be replaced again', () => {
    const { req, session } = start()
    guardSession(req, { grants, logins: undefined })
    expect(session.destroy(() => {})).toBe(session)
    const own = () => session
    Object.assign(session, { destroy: own })
    expect(Reflect.get(session, 'destroy')).toBe(own)
    expect(() => Object.defineProperty(session, 'regenerate', { value: own })).not.toThrow()
  })
})

test('a request without a session is left alone', () => {
  const req = {} as Request
  expect(() => carry(req)).not.toThrow()
  expect(() => guardSession(req, { grants, logins: undefined })).not.toThrow()
  expect(req).toEqual({})
})
