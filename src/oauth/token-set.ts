import { inspect } from 'node:util'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import { parseGrantedScope } from '../scopes/scope'

/** A successful token response (RFC 6749 section 5.1), checked, in wire format. */
export interface TokenResponse {
  readonly access_token: string
  /** Seconds. */
  readonly expires_in: number
  readonly refresh_token: string | undefined
  readonly scope: string | undefined
  readonly id_token: string | undefined
  /** Milliseconds since it was requested. The tokens may be that old: the response was slow, or this process frozen. */
  readonly age?: number
}

const unknownLifetime = 5 * 60
const longestLifetime = 400 * 24 * 60 * 60

/**
 * Checks a token response member by member. A missing `expires_in` counts as five minutes; one beyond 400 days is cut.
 *
 * @throws {TokenEndpointError} `ERR_PAGERDUTY_TOKEN_RESPONSE`
 * @internal
 */
export function parseTokenResponse(body: Record<string, unknown>): TokenResponse {
  const { access_token, token_type, expires_in, refresh_token, scope, id_token } = body
  if (typeof access_token !== 'string' || !/^[\x21-\x7e]{1,8192}$/.test(access_token)) {
    throw malformed('no usable access_token')
  }
  if (typeof token_type !== 'string' || token_type.toLowerCase() !== 'bearer') {
    throw malformed('another token_type than bearer')
  }
  return {
    access_token,
    expires_in: parseLifetime(expires_in),
    refresh_token: optionalText('refresh_token', refresh_token) || undefined,
    scope: optionalText('scope', scope),
    id_token: optionalText('id_token', id_token),
  }
}

function parseLifetime(value: unknown): number {
  if (value === undefined || value === null) return unknownLifetime
  const isNumeric = typeof value === 'number' || (typeof value === 'string' && /^\d+(\.\d+)?$/.test(value))
  const seconds = isNumeric ? Number(value) : NaN
  if (Number.isNaN(seconds)) throw malformed('an expires_in that is no number')
  return Math.min(Math.max(seconds, 0), longestLifetime)
}

function optionalText(member: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= 16_384) return value
  throw malformed(`a ${member} that is no string`)
}

function malformed(what: string): TokenEndpointError {
  return new TokenEndpointError(`PagerDuty’s token endpoint responded with ${what}`, {
    code: 'ERR_PAGERDUTY_TOKEN_RESPONSE',
    status: 503,
    isTransient: true,
  })
}

/** What a token set is made of. */
export interface TokenSetInit {
  accessToken: string
  refreshToken: string | undefined
  expiresAt: number
  obtainedAt: number
  scope: readonly string[]
}

/**
 * The tokens of one grant at one moment. The two secrets are readable by name only: they do not show when the set is
 * inspected, spread, cloned or turned into JSON.
 */
export class TokenSet {
  /** For `Authorization: Bearer` (RFC 6750 section 2.1); there are no token sets of another type. */
  readonly tokenType = 'bearer'
  /** When the access token expires, in milliseconds since the epoch, by this machine's clock. */
  readonly expiresAt: number
  /** When the tokens were received, likewise. */
  readonly obtainedAt: number
  /** The scopes that PagerDuty granted. */
  readonly scope: readonly string[]
  readonly #accessToken: string
  readonly #refreshToken: string | undefined

  constructor(init: TokenSetInit) {
    this.#accessToken = init.accessToken
    this.#refreshToken = init.refreshToken
    this.expiresAt = init.expiresAt
    this.obtainedAt = init.obtainedAt
    // Listeners and functions of the app get this very list.
    this.scope = Object.freeze([...init.scope])
  }

  /** The access token. */
  get accessToken(): string {
    return this.#accessToken
  }

  /** The refresh token, if there is one. PagerDuty accepts it once. */
  get refreshToken(): string | undefined {
    return this.#refreshToken
  }

  /** The same without the refresh token, which PagerDuty no longer accepts. */
  withoutRefreshToken(): TokenSet {
    const { accessToken, expiresAt, obtainedAt, scope } = this
    return new TokenSet({ accessToken, refreshToken: undefined, expiresAt, obtainedAt, scope })
  }

  /** What `console.log` shows. Without it, the option `getters` would show the two secrets. */
  [inspect.custom](): object {
    return {
      tokenType: this.tokenType,
      expiresAt: this.expiresAt,
      obtainedAt: this.obtainedAt,
      scope: this.scope,
    }
  }

  /**
   * Makes a token set of a response. What the response leaves out is as before: the scope is the requested one (RFC 6749
   * section 5.1) or that of the refreshed set, and the refresh token stays (section 6).
   */
  static from(
    response: TokenResponse,
    before: { scope: readonly string[]; refreshToken?: string | undefined },
  ): TokenSet {
    const obtainedAt = Date.now()
    return new TokenSet({
      accessToken: response.access_token,
      refreshToken: response.refresh_token ?? before.refreshToken,
      expiresAt: obtainedAt - Math.ceil(response.age ?? 0) + response.expires_in * 1000,
      obtainedAt,
      scope: response.scope === undefined ? before.scope : parseGrantedScope(response.scope),
    })
  }
}
