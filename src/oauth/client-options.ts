import { requireType } from '../errors/known-members'
import type { AppType } from '../scopes/scope'
import type { ClientSecret } from './client-secret'

/** The app as it is registered at PagerDuty, and where PagerDuty's endpoints are. */
export interface ClientOptions {
  /** The app's Client ID, from its OAuth page at PagerDuty. */
  clientID: string
  /**
   * The app's Client Secret; see {@link ClientSecret} for rotating it. Scoped apps need it; a Classic app without one is a public
   * client.
   */
  clientSecret?: ClientSecret | undefined
  /**
   * Where PagerDuty sends the browser back: absolute, and exactly as registered at PagerDuty. A list where the app has several
   * origins: a login uses the entry of the origin that the browser addressed, else the first. All share one path and one scheme.
   */
  callbackURL: string | readonly string[]
  /**
   * Other origins of the same app, such as that of a single-page app. `returnTo` may be a URL of theirs, and their pages may log
   * out and send what `requireSameOrigin()` guards. Those of `callbackURL` are trusted by themselves. @default none
   */
  trustedOrigins?: readonly string[] | string | undefined
  /** Scopes to request: a list, or a string separated by spaces. */
  scope: string | readonly string[]
  /** Kind of OAuth functionality that the app has at PagerDuty. @default 'scoped' */
  appType?: AppType | undefined
  /**
   * Distinguishes instances in one app: strategy name, request property, cookies, keys. Not a property that requests
   * already have, such as `user`. @default 'pagerduty'
   */
  name?: string | undefined
  /** Origin of PagerDuty's identity service. @default 'https://identity.pagerduty.com' */
  identityURL?: string | undefined
  /** REST API for every user, instead of the regional host that the signed id_token names. */
  apiURL?: string | undefined
  /**
   * Origin of the remote MCP server, to which `fetch` sends tokens as it does to the REST API. @default PagerDuty's, in the region of
   * the API; none where `apiURL` is not one of PagerDuty's
   */
  mcpURL?: string | undefined
  /** Accepted issuers of id_tokens. @default both that PagerDuty uses or documents */
  issuer?: string | readonly string[] | undefined
  /** Authorization endpoint. @default `/oauth/authorize` at `identityURL` */
  authorizationURL?: string | undefined
  /** Token endpoint. @default `/oauth/token` at `identityURL` */
  tokenURL?: string | undefined
  /** Revocation endpoint. @default `/oauth/revoke` at `identityURL` */
  revocationURL?: string | undefined
  /** JWKS of id_tokens. @default `/global/oauth/anonymous/jwks` at `identityURL` */
  jwksURL?: string | undefined
  /** Reject an id_token without an `at_hash` that matches the access token (OpenID Connect Core 3.1.3.8). @default false */
  requireAtHash?: boolean | undefined
  /** Replaces the global `fetch` for all calls to PagerDuty: proxies, mTLS, tests. */
  fetch?: typeof globalThis.fetch | undefined
}

/** The compiler sees to it that these are all, here and in the tables that are made of this one. */
const table: Record<keyof ClientOptions, true> = {
  clientID: true,
  clientSecret: true,
  callbackURL: true,
  trustedOrigins: true,
  scope: true,
  appType: true,
  name: true,
  identityURL: true,
  apiURL: true,
  mcpURL: true,
  issuer: true,
  authorizationURL: true,
  tokenURL: true,
  revocationURL: true,
  jwksURL: true,
  requireAtHash: true,
  fetch: true,
}

/** @internal */
export const clientOptionNames: readonly string[] = Object.keys(table)

/** @throws {ConfigurationError} one of another type, which would fail later or count as its opposite @internal */
export function requireClientTypes({ fetch, requireAtHash }: ClientOptions): void {
  requireType('fetch', fetch, 'function')
  requireType('requireAtHash', requireAtHash, 'boolean')
}
