import type { IncomingMessage, ServerResponse } from 'node:http'

/** A session that was read together with its grant, and is not on its request yet. */
export interface DeferredSession {
  /** Whose session it is. */
  readonly store: object
  readonly id: string
  readonly grantID: string
  readonly sealed: string
  /** The session as JSON. */
  readonly text: string
  /** Runs once the session is on its request, before the code that reads it gets it. */
  onceMade?(): void
}

interface Holder {
  session?: unknown
  sessionID?: string
  sessionStore?: object
  [deferredKey]?: { readonly deferred: DeferredSession; make(): Holder } | undefined
}

const deferredKey = Symbol('deferred session')

/**
 * Creates the session of a request only when it is used. Most guarded requests need only the grant, and express-session
 * hashes each session four times, which would cost more than the guard.
 *
 * @param make has express-session put the session on the request, before it returns
 */
export function deferSession(req: IncomingMessage, deferred: DeferredSession, make: () => void): void {
  const holder = req as Holder
  holder[deferredKey] = {
    deferred,
    make() {
      holder[deferredKey] = undefined
      Object.defineProperty(holder, 'session', { value: undefined, writable: true })
      make()
      deferred.onceMade?.()
      return holder
    },
  }
  holder.sessionID = deferred.id
  holder.sessionStore = deferred.store
  Object.defineProperty(holder, 'session', accessor)
}

/** The session of a request, as long as it has not been used. */
export function deferredSession(req: IncomingMessage): DeferredSession | undefined {
  return (req as Holder)[deferredKey]?.deferred
}

/** Shared by all requests, and good for objects that have a request as their prototype. */
const accessor: PropertyDescriptor & ThisType<Holder> = {
  configurable: true,
  enumerable: true,
  get() {
    return this[deferredKey]?.make().session
  },
  set(value: unknown) {
    if (Object.hasOwn(this, deferredKey)) this[deferredKey]?.make()
    // An object that has the request as its prototype gets a member of its own.
    Object.defineProperty(this, 'session', { value, writable: true, enumerable: true, configurable: true })
  },
}

/**
 * Keeps the place of what express-session puts around a response's functions. What the app puts around them meanwhile stays
 * outside, as if the session had been there from the start: what it writes into the session at the end of the response is saved.
 *
 * @returns runs a function that may replace those of the response
 */
export function keepPlace(res: ServerResponse): (replace: () => void) => void {
  // The upgrade of a connection may come without a response.
  if (typeof res.end !== 'function') return (replace) => replace()
  type Functions = Record<'end' | 'writeHead', (...args: unknown[]) => unknown>
  const holder = res as unknown as Functions
  const functionsNow = ({ end, writeHead }: Functions): Functions => ({ end, writeHead })
  let inner = functionsNow(holder)
  holder.end = (...args) => inner.end.apply(res, args)
  holder.writeHead = (...args) => inner.writeHead.apply(res, args)
  return (replace) => {
    const outer = functionsNow(holder)
    Object.assign(holder, inner)
    replace()
    inner = functionsNow(holder)
    Object.assign(holder, outer)
  }
}
