import type { IncomingMessage } from 'node:http'

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

export type Callback = (error?: unknown) => void

/** What `req.pagerduty.login()` heeds. */
export interface LoginOptions {
  /** Scopes to request besides those granted; where no user is logged in, instead of the configured ones. */
  scope?: string | readonly string[] | undefined
  /**
   * Where to return to after the login: path and query in the app, or a URL of one of its origins (`callbackURL`, `trustedOrigins`),
   * at most 400 bytes.
   */
  returnTo?: string | undefined
  /**
   * Extra parameters of the authorization request, such as `subdomain`, `service_region` or `prompt`; none of the protocol's own. A
   * login that is begun again because it took too long has none.
   */
  authorizationParams?: Readonly<Record<string, string | undefined>> | undefined
}

const table: Record<keyof LoginOptions, true> = { scope: true, returnTo: true, authorizationParams: true }

/** @internal */
export const loginOptionNames: readonly string[] = Object.keys(table)

/** The logins of a browser, as far as its session has to do with them. A `PagerDutyStrategy` is one. */
export interface Logins {
  /** Responds to a request with the redirect that begins a login. */
  startLogin(req: IncomingMessage, options?: LoginOptions): void
  /** Ends those that are in progress, because the browser logs out. Undefined where there are none. */
  endLogins(req: IncomingMessage): Promise<void> | undefined
}

/** When requests arrived, in milliseconds since the epoch. */
const arrival = Symbol('arrival')

/** What this package keeps in a session. It has to be JSON, as session stores write it. */
export interface HeldLogins {
  /** Ids of grants, by the names of their instances. */
  readonly grants?: Readonly<Record<string, string>>
  /**
   * The instance that made the login of the session. Other grants, also those that `passport.authorize` added, are linked to
   * it: they end with the session, but the session does not end with them.
   */
  readonly login?: string | undefined
  /** Scopes that PagerDuty did not grant when they were requested, and until when that counts, by instance. */
  readonly declined?: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** The session member that has it. */
export const sessionMember = 'pagerduty'

/** Notes that a request arrives. */
export function noteArrival(req: IncomingMessage): void {
  ;(req as { [arrival]?: number })[arrival] = Date.now()
}

/** When a request arrived: all logins may have been ended while its session was read. Now, where that was not noted. */
export function arrivalOf(req: IncomingMessage): number {
  return (req as { [arrival]?: number })[arrival] ?? Date.now()
}

/** The session of a request, if a session middleware gave it one. */
export function sessionOf(req: IncomingMessage): Session | undefined {
  return (req as { session?: Session }).session ?? undefined
}

/** What a session holds. */
export function heldIn(session: Readonly<Record<string, unknown>> | undefined): HeldLogins {
  const held = session?.[sessionMember]
  return typeof held === 'object' && held !== null ? held : {}
}

/** The id of the grant that a session holds for an instance. */
export function grantIn(
  session: Readonly<Record<string, unknown>> | undefined,
  name: string,
): string | undefined {
  const id: unknown = heldIn(session).grants?.[name]
  return typeof id === 'string' ? id : undefined
}

/** Whether the login of this session was made by the instance of this name. */
export function isLoginBy(session: Session | undefined, name: string): boolean {
  return heldIn(session).login === name
}

/** Whether the session holds a grant of another instance. */
export function holdsOthers(session: Session, name: string): boolean {
  return Object.keys(heldIn(session).grants ?? {}).some((other) => other !== name)
}

/** Has a session hold this, and nothing where it is empty. */
export function hold(session: Session, { grants = {}, login, ...rest }: HeldLogins): void {
  const held = {
    ...rest,
    ...(Object.keys(grants).length > 0 && { grants }),
    ...(login !== undefined && { login }),
  }
  if (Object.keys(held).length > 0) session[sessionMember] = held
  else delete session[sessionMember]
}

/** Takes the grant of an instance out of a session, and the login if it made that. */
export function forgetGrant(session: Session, name: string): void {
  const { grants, login, ...rest } = heldIn(session)
  const { [name]: _forgotten, ...others } = grants ?? {}
  hold(session, { ...rest, grants: others, login: login === name ? undefined : login })
}

/** The id of the grant that a session id made by {@link newSessionID} carries. */
export function grantIDOf(sessionID: string): string | undefined {
  const dot = sessionID.indexOf('.')
  return dot === -1 ? undefined : sessionID.slice(0, dot)
}

/** Waits for a method of a session. */
export function promised(call: (callback: Callback) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error as Error) : resolve()))
  })
}

/** Puts a function in front of a session's method. `report` gets what the method's callback throws. */
export function wrap(
  session: Session,
  method: 'regenerate' | 'destroy' | 'reload' | 'save',
  report: (error: Error) => void,
  wrapper: (original: () => Promise<void>) => Promise<void>,
): void {
  const original = session[method]
  if (original === undefined) return
  // Not enumerable: session stores save what they can enumerate.
  Object.defineProperty(session, method, {
    configurable: true,
    enumerable: false,
    writable: true,
    value(this: Session, callback: Callback = () => {}) {
      wrapper(() => promised((done) => original.call(session, done)))
        .then(() => callback(), callback)
        .catch(report)
      return this
    },
  })
}
