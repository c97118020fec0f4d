import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { UserGrants } from '../grants/grants'
import {
  type Callback,
  type Logins,
  type Session,
  clearLogins,
  grantsIn,
  loginMember,
  sessionOf,
} from './session'

/** What the next regeneration of a request's session takes along. */
export interface Renewal {
  /** Ids of grants, by instance, besides those that the session holds. */
  readonly own: Readonly<Record<string, string>>
  readonly extra: Readonly<Record<string, unknown>>
  /** Runs first: if it fails, the session stays as it is. */
  replace?(): Promise<void>
  renewed(): void
  /** Runs once the new session is stored, before that is told. */
  stored?(): Promise<void> | undefined
  /** Why the session is of no use now that it is stored. It is ended, and that is the failure. */
  useless?(): Error | undefined
  /** Runs before a failure is told. */
  failed?(error: unknown, isRenewed: boolean): Promise<void>
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

const watches = new WeakMap<IncomingMessage, Watch>()
const watched = new WeakSet<Session>()

/**
 * An id for a session about to be made. Where the instance's grant is to be in it, the id begins with the grant's id, so
 * that a session store can read and delete both at once.
 */
export function newSessionID(req: IncomingMessage, name: string): string {
  const random = randomBytes(24).toString('base64url')
  const grantID = watches.get(req)?.carried?.[name]
  return grantID === undefined ? random : `${grantID}.${random}`
}

/** Makes `req.logout()`, `session.regenerate()` and `session.destroy()` end the grant that the session holds. */
export function guardGrant(req: IncomingMessage, grants: UserGrants, logins?: Logins): void {
  watch(req).guarded.set(grants.client.name, { grants, logins })
}

/** Says what the next regeneration of a request's session takes along. */
export function prepareRenewal(req: IncomingMessage, renewal: Renewal): void {
  if (sessionOf(req) !== undefined) watch(req).renewal = renewal
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
    clearLogins(session)
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
      const conclude = (saved: Callback) => {
        const reason = renewal.useless?.()
        if (reason === undefined) return saved()
        // Not ended with the session: what becomes of them is said below.
        for (const name of Object.keys(renewal.own)) delete current[name]
        current.destroy(() => fail(reason, true, saved))
      }
      const stored = (saved: Callback) => {
        const presented = renewal.stored?.()
        if (presented === undefined) return conclude(saved)
        presented.then(() => conclude(saved)).catch(thrownByCallback(state))
      }
      wrap(current, 'save', (save, saved) => {
        // One that is stored already goes on as it was stored.
        if (!isFirst) return save(saved)
        isFirst = false
        // Once more: the session before is gone, so without this one the user would be logged out.
        save((error) =>
          error ? save((again) => (again ? fail(again, true, saved) : stored(saved))) : stored(saved),
        )
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
  return (error) => first?.grants.events.emit('warning', { error })
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
