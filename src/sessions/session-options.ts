import type { SessionLifetimes } from '../grants/grant-options'

/** The drop-in's session. */
export interface SessionOptions extends SessionLifetimes {
  /** Name of the session cookie. @default the instance's name, with `__Host-` before it where the app is https */
  name?: string | undefined
  /** Overrides attributes of the session cookie. */
  cookie?: SessionCookie | undefined
}

/** Attributes of the session cookie (RFC 6265); what is left out follows from `callbackURL`. */
export interface SessionCookie {
  /** Gives it to subdomains too (RFC 6265 section 4.1.2.3). The name has no `__Host-` then. @default none */
  domain?: string | undefined
  /** Must include `callbackURL`; elsewhere nobody is logged in. `__Host-` needs `/`. @default '/' */
  path?: string | undefined
  /** Whether it travels by https only. @default whether `callbackURL` is https */
  secure?: boolean | undefined
  /** `strict` is left out on the way back from PagerDuty; with `none` any site can send it. @default 'lax' */
  sameSite?: 'lax' | 'strict' | 'none' | undefined
  /** Milliseconds. @default the session's absolute lifetime */
  maxAge?: number | undefined
}
