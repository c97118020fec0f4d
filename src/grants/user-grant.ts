import { type BearerFetch, bearerFetch } from '../oauth/bearer-fetch'
import { LoginRequiredError, UnauthorizedError } from '../errors'
import type { GetAccessTokenOptions } from './grant-options'
import type { LoggedIn, PagerDutyUser } from '../user'
import { type AppType, missingScopes } from '../scopes/scope'
import type { Grant, UserGrants } from './grants'

/** A user's grant, with tokens that are kept fresh. */
export class UserGrant {
  readonly #grants: UserGrants
  #grant: Grant | undefined
  #user: PagerDutyUser | undefined
  #appUser: unknown
  #fetch: BearerFetch | undefined

  /** @internal */
  constructor(grants: UserGrants, grant: Grant | undefined) {
    this.#grants = grants
    this.#grant = grant
  }

  /** Whether a value was made by this package, and does not only look like it. */
  static is(value: unknown): value is UserGrant {
    return typeof value === 'object' && value !== null && #grants in value
  }

  /** Calls PagerDuty's REST API as this user, at the user's regional host; see {@link BearerFetch}. */
  get fetch(): BearerFetch {
    // Lazy: every request has a grant, and few call the API.
    return (this.#fetch ??= this.#bearerFetch())
  }

  /** The user; undefined when no user is logged in. */
  get user(): PagerDutyUser | undefined {
    return this.#grant && (this.#user ??= { ...this.#grant.record.user })
  }

  /**
   * Itself, with `user` and `grantID` that cannot be undefined, for handlers behind a guard. It asks neither PagerDuty nor the
   * store whether the grant is still valid: that is what guards do.
   *
   * @throws {UnauthorizedError} no user is logged in
   */
  requireLogin(): this & LoggedIn {
    this.#held()
    return this as this & LoggedIn
  }

  /** What `verify` returned at the login, for `req.user`. */
  get appUser(): unknown {
    return this.#grant && (this.#appUser ??= copyOf(this.#grant.record.appUser))
  }

  /** The id of the grant; `pd.grants.get(id)` finds it without a request. */
  get grantID(): string | undefined {
    return this.#grant?.id
  }

  /** The scopes that PagerDuty granted, which may be fewer than requested. */
  get grantedScopes(): readonly string[] {
    return [...(this.#grant?.record.tokens.scope ?? [])]
  }

  /** The scopes that the login requested. */
  get requestedScopes(): readonly string[] {
    return [...(this.#grant?.record.requestedScopes ?? [])]
  }

  /** When the access token expires, in milliseconds since the epoch. */
  get expiresAt(): number | undefined {
    return this.#grant?.record.tokens.expiresAt
  }

  /** When the access token was received, in milliseconds since the epoch. */
  get obtainedAt(): number | undefined {
    return this.#grant?.record.tokens.obtainedAt
  }

  /** @internal */
  protected get absoluteEnd(): number | undefined {
    return this.#grant?.record.absoluteEnd
  }

  /** When the login that made the grant was finished, in milliseconds since the epoch. A step-up is a login of its own. */
  get createdAt(): number | undefined {
    return this.#grant?.record.createdAt
  }

  /** When a request last extended the grant, likewise: at most a tenth of `session.idle`, or five minutes, before the last one. */
  get lastUsedAt(): number | undefined {
    return this.#grant?.record.lastUsedAt
  }

  /** What the option `label` returned at the login. */
  get label(): string | undefined {
    return this.#grant?.record.label
  }

  /** Whether the grant outlives its session, by `pd.grants.keep()`. */
  get isKept(): boolean {
    return this.#grant?.record.isKept ?? false
  }

  /** What `JSON.stringify` writes: no token, and nothing of `appUser`. */
  toJSON(): object {
    const { grantID, user, grantedScopes, requestedScopes } = this
    const { createdAt, lastUsedAt, expiresAt, label, isKept } = this
    return { grantID, user, grantedScopes, requestedScopes, createdAt, lastUsedAt, expiresAt, label, isKept }
  }

  /** The kind of app: decides what a scope covers. */
  get appType(): AppType {
    return this.#grants.client.appType
  }

  /** Those of its instance. @internal */
  get grants(): UserGrants {
    return this.#grants
  }

  /** Whether all of these scopes are granted. */
  has(...scopes: string[]): boolean {
    return this.#grant !== undefined && this.missing(...scopes).length === 0
  }

  /** Those of these scopes that are not granted. */
  missing(...scopes: string[]): readonly string[] {
    return missingScopes(this.#grant?.record.tokens.scope ?? [], scopes, this.appType)
  }

  /**
   * The access token, refreshed first where it has expired or expires within `minValidity`.
   *
   * @throws {UnauthorizedError} no user is logged in
   * @throws {LoginRequiredError} PagerDuty has ended the grant
   * @throws {TokenEndpointError} transient: PagerDuty did not refresh it this time
   */
  async getAccessToken(options: GetAccessTokenOptions = {}): Promise<string> {
    const held = this.#held()
    const { forceRefresh, minValidity = 0 } = options
    if (forceRefresh) return this.#tokens(this.#grants.replaceRejected(held, held.record.tokens.accessToken))
    return this.#tokens(this.#grants.ensureFresh(held, minValidity * 1000))
  }

  /** Makes sure that the grant is still valid at PagerDuty: at once while the token is, else by a refresh. @internal */
  confirm(): void | Promise<void> {
    const fresh = this.#grants.ensureFresh(this.#held())
    if (fresh instanceof Promise) return this.#tokens(fresh).then(() => {})
    this.#grant = fresh
  }

  /** Replaces the grant with that of another login. @internal */
  adopt(grant: Grant): void {
    this.#grant = grant
    this.#user = this.#appUser = this.#fetch = undefined
  }

  /** @internal */
  protected drop(): void {
    this.#grant = undefined
  }

  async #tokens(grant: Grant | Promise<Grant>): Promise<string> {
    try {
      this.#grant = await grant
    } catch (error) {
      if (error instanceof LoginRequiredError) this.drop()
      throw error
    }
    return this.#grant.record.tokens.accessToken
  }

  #bearerFetch(): BearerFetch {
    const { id, record } = this.#grant ?? {}
    return bearerFetch(this.#grants.client.fetch, {
      apiURL: record?.user.apiURL ?? '',
      token: async (rejected) => {
        const held = this.#held()
        return this.#tokens(
          rejected === undefined
            ? this.#grants.ensureFresh(held)
            : this.#grants.replaceRejected(held, rejected),
        )
      },
      markRejected: () => {
        if (id !== undefined) this.#grants.markRejected(id)
      },
    })
  }

  #held(): Grant {
    if (this.#grant === undefined) throw new UnauthorizedError()
    return this.#grant
  }
}

/** The app may change what it gets; it is JSON. */
function copyOf(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown)
}
