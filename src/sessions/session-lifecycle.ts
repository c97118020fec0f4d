import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Guarded, endSession } from './session-end'
import { type Session, forgetGrant, heldIn, hold, promised, sessionMember, sessionOf, wrap } from './session'

/** What the next regeneration of a request's session takes along. */
export interface Renewal {
  /** Ids of grants, by instance, besides those that the session holds. */
  readonly grants: Readonly<Record<string, string>>
  /** The instance that made the login of the new session. */
  readonly login: string | undefined
  readonly extra: Readonly<Record<string, unknown>>
  /** Runs first: if it fails, the session stays as it is. */
  before?(): Promise<void>
  /** Runs once the new session is stored, before that is reported. If it fails, the new session is ended. */
  stored?(): Promise<void> | undefined
  /** Runs before a failure is reported. */
  failed?(error: unknown, isRenewed: boolean): Promise<void>
}

/** What happens to a request's session: to the one it has now, and to those that come in its place. */
interface Watch {
  /** Instances whose grants end with the session, by name. */
  readonly guarded: Map<string, Guarded>
  renewal?: Renewal | undefined
  /** The grants that the session being made is to hold. */
  carried?: Readonly<Record<string, string>> | undefined
}

/** On a session, and on each that comes in its place: it lives as long, and no session store sees a symbol. */
const watchKey = Symbol('watch')

/** An id for a session about to be made, which begins with that of the instance's grant that is to be in it. */
export function newSessionID(req: IncomingMessage, name: string): string {
  return sessionIDFor((sessionOf(req) as Watched | undefined)?.[watchKey]?.carried?.[name])
}

/** With the grant's id in it, a session store can read and delete both at once. */
export function sessionIDFor(grantID: string | undefined): string {
  const random = randomBytes(24).toString('base64url')
  return grantID === undefined ? random : `${grantID}.${random}`
}

/**
 * Makes `req.logout()`, `session.regenerate()` and `session.destroy()` end the grant that the session holds, and the logins of its
 * browser that are in progress.
 */
export function guardSession(req: IncomingMessage, guarded: Guarded): void {
  const state = watch(req)
  const { name } = guarded.grants.client
  state?.guarded.set(name, { ...state.guarded.get(name), ...guarded })
}

/** Says what the next regeneration of a request's session takes along. */
export function prepareRenewal(req: IncomingMessage, renewal: Renewal): void {
  const state = watch(req)
  if (state !== undefined) state.renewal = renewal
}

/** Nothing is regenerated for it any more. */
export function cancelRenewal(req: IncomingMessage): void {
  const state = (sessionOf(req) as Watched | undefined)?.[watchKey]
  if (state !== undefined) state.renewal = undefined
}

type Watched = Session & { [watchKey]?: Watch }

/** @param state that of the session before */
function watch(req: IncomingMessage, state: Watch = { guarded: new Map() }): Watch | undefined {
  const session = sessionOf(req) as Watched | undefined
  if (session === undefined || session[watchKey] !== undefined) return session?.[watchKey]
  watchSession(req, session, state)
  return state
}

function watchSession(req: IncomingMessage, session: Session, state: Watch): void {
  Object.defineProperty(session, watchKey, { value: state })
  const report = (error: Error) => reportTo(state, error)
  wrap(session, 'regenerate', report, (regenerate) => {
    const { renewal } = state
    state.renewal = undefined
    state.carried = undefined
    if (renewal === undefined) return endSession(req, session, state.guarded, regenerate)
    return renewSession(req, session, state, renewal, regenerate)
  })
  wrap(session, 'destroy', report, (destroy) => endSession(req, session, state.guarded, destroy))
  // It puts another object in the session's place.
  wrap(session, 'reload', report, (reload) => reload().finally(() => watch(req, state)))
}

/** Replaces the session by one that has what the renewal says. */
async function renewSession(
  req: IncomingMessage,
  session: Session,
  state: Watch,
  renewal: Renewal,
  regenerate: () => Promise<void>,
): Promise<void> {
  const renew = async (): Promise<Session> => {
    const before = { ...session }
    const { grants } = heldIn(session)
    state.carried = { ...grants, ...renewal.grants }
    // What is not in the old session any more is not logged out with it.
    delete session[sessionMember]
    try {
      await regenerate()
      const fresh = sessionOf(req)
      if (fresh === undefined) throw new Error('The session could not be regenerated')
      return fresh
    } catch (error) {
      // express-session has made an empty session all the same. Its cookie would log the user out of the old one.
      Object.assign(req, { session: Object.assign(session, before), sessionID: session.id })
      throw error
    }
  }
  try {
    await renewal.before?.()
    // Once more: the grant before may have been replaced, so that only the new session keeps the user logged in.
    const fresh = await renew().catch(renew)
    const { extra, login } = renewal
    Object.assign(fresh, extra)
    hold(fresh, { ...heldIn(extra), grants: state.carried ?? {}, login })
    watch(req, state)
    watchFirstSave(fresh, state, renewal)
  } catch (error) {
    await conclude(state, renewal, error, false)
  }
}

/** Reports a renewal that failed. */
async function conclude(state: Watch, renewal: Renewal, error: unknown, isRenewed: boolean): Promise<never> {
  await renewal.failed?.(error, isRenewed).catch((failure: Error) => reportTo(state, failure))
  throw error
}

/** The first save of a new session decides whether the browser has it. */
function watchFirstSave(fresh: Session, state: Watch, renewal: Renewal): void {
  let isFirst = true
  const saved = async (save: () => Promise<void>): Promise<void> => {
    if (!isFirst) return save()
    isFirst = false
    try {
      // Once more: the session before is gone, so without this one the user would be logged out.
      await save().catch(save)
    } catch (error) {
      return conclude(state, renewal, error, true)
    }
    try {
      await renewal.stored?.()
    } catch (error) {
      // Its grants are not ended with it: `failed` decides about them.
      for (const name of Object.keys(renewal.grants)) forgetGrant(fresh, name)
      await promised((callback) => fresh.destroy(callback)).catch(() => {})
      return conclude(state, renewal, error, true)
    }
  }
  wrap(fresh, 'save', (error) => reportTo(state, error), saved)
}

/** What a callback of the app throws must not end the process. */
function reportTo({ guarded }: Watch, error: Error): void {
  ;[...guarded.values()][0]?.grants.events.emit('warning', { error })
}
