import type { IncomingMessage } from 'node:http'

/** A session that was read together with its grant, and is not on its request yet. */
export interface DeferredSession {
  /** Whose session it is. */
  readonly store: object
  readonly id: string
  readonly grantID: string
  readonly sealed: string
  /** When it was last extended, in milliseconds since the epoch. */
  readonly extendedAt: number
  /** Runs once the session is on its request, before whoever asked for it gets it. */
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
 * Has a request make its session only when somebody uses it. Most guarded requests need the grant alone, and express-session
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

/** The session of a request, while nobody has used it. */
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
    const holder = this[deferredKey]?.make()
    if (holder !== undefined) holder.session = value
  },
}
