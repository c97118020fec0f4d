import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { ConfigurationError } from '../errors'
import type { UserGrants } from '../grants/grants'

/** As much of an express-session session as this package touches. */
export interface Session {
  [member: string]: unknown
  id: string
  cookie: { originalMaxAge: number | null }
  regenerate(callback: Callback): this
  destroy(callback: Callback): this
  reload?(callback: Callback): this
  save(callback?: Callback): this
}

type Callback = (error?: unknown) => void

/** What the next regeneration of a request's session takes along. */
interface Renewal {
  /** Ids of grants, by instance, besides those that the session holds. */
  readonly own: Readonly<Record<string, string>>
  readonly extra: Readonly<Record<string, unknown>>
  /** Runs first: if it fails, the session stays as it is. */
  replace?(): Promise<void>
  renewed(): void
  /** Runs before a failure is told. */
  failed?(error: unknown, isRenewed: boolean): Promise<void>
}

/** What becomes of the grant of a login whose session is about to be regenerated. */
export interface Placement {
  /** Puts it in the place of the grant with this id, which the session holds. If that fails, the session stays as it is. */
  replace(previous: string): Promise<void>
  /**
   * No session presents it: the old one stayed, or the new one could not be stored.
   *
   * @param previous the id of the grant that the session held before
   * @param isRenewed whether that session is gone
   */
  failed(error: unknown, previous: string | undefined, isRenewed: boolean): Promise<void>
}

interface Guarded {
  readonly grants: UserGrants
  readonly logins: Logins | undefined
}

/** What happens to a request's session: to the one it has now, and to those that come in its place. */
interface Watch {
  /** Instances whose grants end with the session, by name. */
  readonly guarded: Map<string, Guarded>
  renewal?: Renewal | undefined
  /** The grants that the session being made is to hold. */
  carried?: Readonly<Record<string, string>> | undefined
}

/** What `req.pagerduty.login()` heeds. */
export interface LoginOptions {
  /** Scopes to ask for besides what is granted; where nobody is logged in, instead of the configured ones. */
  scope?: string | readonly string[] | undefined
  /** Where in the app to go on after the login: path and query, at most 400 bytes. */
  returnTo?: string | undefined
}

/** The logins of a browser, as far as its session has to do with them. A `PagerDutyStrategy` is one. */
export interface Logins {
  /** Answers a request with the redirect that begins a login. */
  startLogin(req: IncomingMessage, options?: LoginOptions): void
  /** Ends those that are in progress, because the browser logs out. */
  endLogins(req: IncomingMessage): Promise<void>
}

/** When requests arrived, in milliseconds since the epoch. */
const arrivals = new WeakMap<IncomingMessage, number>()

/** New sessions that were not stored, because another login had replaced their only grant by then. */
const overtaken = new WeakSet<object>()

/** Names of the instances of this process. A session may hold a grant of each. */
const instances = new Set<string>()
const watches = new WeakMap<IncomingMessage, Watch>()
const watched = new WeakSet<Session>()

/**
 * Holds the name of the instance that made the login of a session. Grants of other instances, and those that
 * `passport.authorize` added, are linked to it: they end with the session, but the session does not end with them.
 */
export const loginMember = 'pagerdutyLogin'

/** Notes an instance: what a session holds under its name is a grant. */
export function nameInstance(name: string): void {
  instances.add(name)
}

/** Notes that a request arrives. */
export function noteArrival(req: IncomingMessage): void {
  arrivals.set(req, Date.now())
}

/** When a request arrived: all logins may have been ended while its session was read. Now, where that was not noted. */
export function arrivalOf(req: IncomingMessage): number {
  return arrivals.get(req) ?? Date.now()
}

/** Notes that a new session was not stored, because another login has replaced its only grant. */
export function noteOvertaken(session: object): void {
  overtaken.add(session)
}

/** Whether another login has replaced the grant of this new session: the browser keeps the cookie of that one. */
export function isOvertaken(session: object): boolean {
  return overtaken.has(session)
}

/** The session of a request, if a session middleware gave it one. */
export function sessionOf(req: IncomingMessage): Session | undefined {
  return (req as { session?: Session }).session ?? undefined
}

/** Whether the login of this session was made by the instance of this name. */
export function isLoginBy(session: Session | undefined, name: string): boolean {
  return session?.[loginMember] === name
}

/** Whether the session holds a grant of another instance. */
export function holdsOthers(session: Session, name: string): boolean {
  return Object.keys(grantsIn(session)).some((other) => other !== name)
}

/**
 * An id for a session about to be made. Where the instance's grant is to be in it, the id begins with the grant's id, so
 * that a session store can read and delete both at once.
 */
export function newSessionID(req: IncomingMessage, name: string): string {
  const random = randomBytes(24).toString('base64url')
  const grantID = watches.get(req)?.carried?.[name]
  return grantID === undefined ? random : `${grantID}.${random}`
}

/** The id of the grant that a session id made by {@link newSessionID} carries. */
export function grantIDOf(sessionID: string): string | undefined {
  const dot = sessionID.indexOf('.')
  return dot === -1 ? undefined : sessionID.slice(0, dot)
}

/**
 * Prepares a request whose session is about to be regenerated by a login: the new session gets the grant's id before it
 * is saved. Passport drops what was written earlier, and what is written later comes too late for a fast browser.
 */
export function carryGrant(
  req: IncomingMessage,
  grants: UserGrants,
  grantID: string,
  extra: Readonly<Record<string, unknown>>,
  placement: Placement,
  logins?: Logins,
): void {
  const { name } = grants.client
  renewWith(req, grants, grantID, { ...extra, [loginMember]: name }, placement, logins)
}

/**
 * Adds a grant to the session of a user who is logged in otherwise. The session gets another id, as at a login: who knew
 * the old one gets no access to PagerDuty by it. All that is in it stays, its login included. It is saved when this is over.
 *
 * @throws {ConfigurationError} there is no session
 */
export async function linkGrant(
  req: IncomingMessage,
  grants: UserGrants,
  grantID: string,
  placement: Placement,
  logins?: Logins,
): Promise<void> {
  const session = sessionOf(req)
  if (session === undefined) {
    throw new ConfigurationError(
      'session',
      'is missing: no session middleware ran before passport.authorize()',
    )
  }
  renewWith(req, grants, grantID, { ...session }, placement, logins)
  await promised((callback) => session.regenerate(callback))
  const linked = sessionOf(req)
  await promised((callback) => (linked === undefined ? callback() : linked.save(callback)))
}

function renewWith(
  req: IncomingMessage,
  grants: UserGrants,
  grantID: string,
  extra: Readonly<Record<string, unknown>>,
  placement: Placement,
  logins: Logins | undefined,
): void {
  const { name } = grants.client
  const held = sessionOf(req)?.[name]
  const previous = typeof held === 'string' && held !== grantID ? held : undefined
  prepare(req, {
    own: { [name]: grantID },
    extra,
    ...(previous !== undefined && { replace: () => placement.replace(previous) }),
    renewed: () => guardGrant(req, grants, logins),
    failed: (error, isRenewed) => placement.failed(error, previous, isRenewed),
  })
}

function prepare(req: IncomingMessage, renewal: Renewal): void {
  if (sessionOf(req) !== undefined) watch(req).renewal = renewal
}

/**
 * Prepares a request whose session is about to be regenerated by the logout of one instance: the grants of others stay, and
 * the login that one of them made.
 *
 * @returns whether there are any
 */
export function carryOthers(req: IncomingMessage, name: string): boolean {
  const session = sessionOf(req)
  delete session?.[name]
  const { [loginMember]: login, passport }: Record<string, unknown> = session ?? {}
  const isOthers = login !== undefined && login !== name
  const extra = isOthers ? { [loginMember]: login, ...(passport !== undefined && { passport }) } : {}
  prepare(req, { own: {}, extra, renewed() {} })
  return session !== undefined && holdsOthers(session, name)
}

/** Makes `req.logout()`, `session.regenerate()` and `session.destroy()` end the grant that the session holds. */
export function guardGrant(req: IncomingMessage, grants: UserGrants, logins?: Logins): void {
  watch(req).guarded.set(grants.client.name, { grants, logins })
}

/** Waits for a method of a session. */
export function promised(call: (callback: Callback) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error as Error) : resolve()))
  })
}

function watch(req: IncomingMessage): Watch {
  const state = watches.get(req) ?? { guarded: new Map() }
  watches.set(req, state)
  const session = sessionOf(req)
  if (session !== undefined && !watched.has(session)) {
    watched.add(session)
    watchSession(req, session, state)
  }
  return state
}

function watchSession(req: IncomingMessage, session: Session, state: Watch): void {
  wrap(session, 'regenerate', (regenerate, callback) => {
    const { renewal } = state
    state.renewal = undefined
    state.carried = undefined
    if (renewal === undefined) return endGrants(req, session, state, () => regenerate(callback), callback)
    renewSession(req, session, state, renewal, regenerate, callback)
  })
  wrap(session, 'destroy', (destroy, callback) =>
    endGrants(req, session, state, () => destroy(callback), callback),
  )
  // It puts another object in the session's place.
  wrap(session, 'reload', (reload, callback) =>
    reload((error) => {
      watch(req)
      callback(error)
    }),
  )
}

/** Replaces the session by one that has what the renewal says. */
function renewSession(
  req: IncomingMessage,
  session: Session,
  state: Watch,
  renewal: Renewal,
  regenerate: (callback: Callback) => void,
  callback: Callback,
): void {
  const fail = (error: unknown, isRenewed: boolean, then: Callback) => {
    const noted = Promise.resolve(renewal.failed?.(error, isRenewed))
    noted.finally(() => then(error)).catch(thrownByCallback(state))
  }
  const renew = (isRepeated: boolean) => {
    const before = { ...session }
    const held = { ...grantsIn(session), ...renewal.own }
    // What is not in the old session any more is not logged out with it.
    for (const name of [...instances, loginMember]) delete session[name]
    state.carried = held
    regenerate((error) => {
      const current = sessionOf(req)
      if (error || current === undefined) {
        // express-session has made an empty session all the same. Its cookie would log the user out of the old one.
        Object.assign(req, { session: Object.assign(session, before), sessionID: session.id })
        // Its grant may have been replaced already, or it may be gone: only the new session keeps the user logged in.
        if (!isRepeated) return renew(true)
        return fail(error ?? new Error('The session could not be regenerated'), false, callback)
      }
      Object.assign(current, renewal.extra, held)
      renewal.renewed()
      let isFirst = true
      wrap(current, 'save', (save, saved) => {
        // One that is stored already goes on as it was stored.
        if (!isFirst) return save(saved)
        isFirst = false
        // Once more: the session before is gone, so without this one the user would be logged out.
        save((error) => (error ? save((again) => (again ? fail(again, true, saved) : saved())) : saved()))
      })
      callback()
    })
  }
  if (renewal.replace === undefined) return renew(false)
  renewal
    .replace()
    .then(
      () => renew(false),
      (error: unknown) => fail(error, false, callback),
    )
    .catch(thrownByCallback(state))
}

/** Ends the grants of a session, and then the session. */
function endGrants(
  req: IncomingMessage,
  session: Session,
  state: Watch,
  end: () => void,
  callback: Callback,
): void {
  const held = [...state.guarded].filter(([name]) => typeof session[name] === 'string')
  const forget = () => {
    for (const [name] of held) delete session[name]
    delete session[loginMember]
    end()
  }
  if (held.length === 0) return forget()
  const ended = held.map(async ([name, { grants, logins }]) => {
    await grants.forget(session[name] as string)
    // Afterwards: a login in progress that does not see the end of the grant is seen here.
    await logins?.endLogins(req)
  })
  Promise.all(ended).then(forget, callback).catch(thrownByCallback(state))
}

/** What a callback of the app throws must not end the process. */
function thrownByCallback({ guarded }: Watch): (error: Error) => void {
  const [first] = guarded.values()
  return (error) => first?.grants.events.tell('warning', { error })
}

/** The grants in a session, by the names of their instances. */
export function grantsIn(session: Session): Record<string, string> {
  const held = [...instances].map((name) => [name, session[name]] as const)
  return Object.fromEntries(held.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

function wrap(
  session: Session,
  method: 'regenerate' | 'destroy' | 'reload' | 'save',
  wrapper: (original: (callback: Callback) => void, callback: Callback) => void,
): void {
  const original = session[method]?.bind(session)
  if (original === undefined) return
  // Not enumerable: session stores save what they can enumerate.
  Object.defineProperty(session, method, {
    configurable: true,
    enumerable: false,
    writable: true,
    value(this: Session, callback: Callback = () => {}) {
      wrapper((then) => void original(then), callback)
      return this
    },
  })
}
