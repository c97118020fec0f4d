import type { BearerFetch, BearerInit } from '../oauth/bearer-fetch'
import { type PageInit, paginate } from '../oauth/paginate'
import { grantFetch } from './grant-fetch'
import type { GetAccessTokenOptions } from './grant-options'
import { copyOfJSON } from '../store/decode'
import type { ListPath } from '../scopes/catalogue'
import type { LoggedIn, PagerDutyUser } from '../user'
import { type AppType, missingScopes } from '../scopes/scope'
import type { Grant } from './grants'
import { HeldGrant } from './held-grant'

/** A user's grant, with tokens that are kept fresh. */
export class UserGrant extends HeldGrant {
  #user: PagerDutyUser | undefined
  #appUser: unknown
  #fetch: BearerFetch | undefined

  /** Whether a value was made by this package, and does not only look like it. */
  static is(value: unknown): value is UserGrant {
    return typeof value === 'object' && value !== null && #user in value
  }

  /** Calls PagerDuty's REST API as this user, at the user's regional host; see {@link BearerFetch}. */
  get fetch(): BearerFetch {
    // Lazy: every request has a grant, and few call the API.
    return (this.#fetch ??= grantFetch(this.grants, this.held(), (rejected) => this.token(rejected)))
  }

  /**
   * Iterates over the items of one of PagerDuty's lists as this user, page by page, whatever the list's name and kind of
   * pagination: `for await (const incident of req.pagerduty.paginate<Incident>('/incidents?statuses[]=triggered'))`. Takes
   * what `fetch` takes, but for method and body; `limit` is 100 unless the query says otherwise, `retry` is 3. A `signal` ends
   * it between two items too.
   *
   * @see https://developer.pagerduty.com/docs/pagination
   * @throws {PagerDutyOAuthError} what {@link apiError} makes of a response that is an error
   * @throws {RequestRefusedError} `ERR_PAGERDUTY_LIST_TOO_LONG` after 10,000 items, the most that PagerDuty gives by offset;
   * `ERR_PAGERDUTY_NO_LIST` where the response is no list, or does not say how it goes on
   */
  paginate<Item = unknown>(
    pathOrURL: ListPath | (string & {}),
    init?: PageInit<BearerInit>,
  ): AsyncGenerator<Item, void, undefined> {
    return paginate<Item, BearerInit>(this.fetch, pathOrURL, init)
  }

  /**
   * Origin of PagerDuty's remote MCP server in the user's region, which takes the same token: `fetch(new URL('/mcp', mcpURL))`.
   * Undefined when no user is logged in, and where the option `apiURL` names another API than PagerDuty's and `mcpURL` is not set.
   */
  get mcpURL(): string | undefined {
    const { user } = this
    return user && this.grants.client.mcpURLFor(user.apiURL)
  }

  get #record() {
    return this.held()?.record
  }

  /** The user; undefined when no user is logged in. */
  get user(): PagerDutyUser | undefined {
    const record = this.#record
    return record && (this.#user ??= { ...record.user })
  }

  /**
   * Itself, with `user` and `grantID` that cannot be undefined, for handlers behind a guard. It asks neither PagerDuty nor the
   * store whether the grant is still valid: that is what guards do.
   *
   * @throws {UnauthorizedError} no user is logged in
   */
  requireLogin(): this & LoggedIn {
    this.requireHeld()
    return this as this & LoggedIn
  }

  /** What `verify` returned at the login, for `req.user`. */
  get appUser(): unknown {
    const record = this.#record
    return record && (this.#appUser ??= copyOfJSON(record.appUser))
  }

  /** The id of the grant; `pd.grants.get(id)` finds it without a request. */
  get grantID(): string | undefined {
    return this.held()?.id
  }

  /** The scopes that PagerDuty granted, which may be fewer than requested. */
  get grantedScopes(): readonly string[] {
    return [...(this.#record?.tokens.scope ?? [])]
  }

  /** The scopes that the login requested. */
  get requestedScopes(): readonly string[] {
    return [...(this.#record?.requestedScopes ?? [])]
  }

  /** When the access token expires, in milliseconds since the epoch. */
  get expiresAt(): number | undefined {
    return this.#record?.tokens.expiresAt
  }

  /** When the access token was received, in milliseconds since the epoch. */
  get obtainedAt(): number | undefined {
    return this.#record?.tokens.obtainedAt
  }

  /** @internal */
  protected get absoluteEnd(): number | undefined {
    return this.#record?.absoluteEnd
  }

  /** When the login that made the grant was finished, in milliseconds since the epoch. A step-up is a login of its own. */
  get createdAt(): number | undefined {
    return this.#record?.createdAt
  }

  /** When a request last extended the grant, likewise: at most a tenth of `session.idle`, or five minutes, before the last one. */
  get lastUsedAt(): number | undefined {
    return this.#record?.lastUsedAt
  }

  /** What the option `label` returned at the login. */
  get label(): string | undefined {
    return this.#record?.label
  }

  /** Whether the grant outlives its session, by `pd.grants.keep()`. */
  get isKept(): boolean {
    return this.#record?.isKept ?? false
  }

  /** What `JSON.stringify` writes: no token, and nothing of `appUser`. */
  toJSON(): object {
    const { grantID, user, grantedScopes, requestedScopes } = this
    const { createdAt, lastUsedAt, expiresAt, label, isKept } = this
    return { grantID, user, grantedScopes, requestedScopes, createdAt, lastUsedAt, expiresAt, label, isKept }
  }

  /** The kind of app: decides what a scope covers. */
  get appType(): AppType {
    return this.grants.client.appType
  }

  /** Whether all of these scopes are granted. */
  has(...scopes: string[]): boolean {
    return this.held() !== undefined && this.missing(...scopes).length === 0
  }

  /** Those of these scopes that are not granted. */
  missing(...scopes: string[]): readonly string[] {
    return missingScopes(this.#record?.tokens.scope ?? [], scopes, this.appType)
  }

  /**
   * The access token, refreshed first where it has expired or expires within `minValidity`.
   *
   * @throws {UnauthorizedError} no user is logged in
   * @throws {LoginRequiredError} PagerDuty has ended the grant
   * @throws {TokenEndpointError} transient: PagerDuty did not refresh it this time
   */
  async getAccessToken(options: GetAccessTokenOptions = {}): Promise<string> {
    const { forceRefresh, minValidity = 0 } = options
    const rejected = forceRefresh ? this.requireHeld().record.tokens.accessToken : undefined
    return this.token(rejected, minValidity * 1000)
  }

  /** @internal */
  override adopt(grant: Grant): void {
    super.adopt(grant)
    this.#user = this.#appUser = this.#fetch = undefined
  }
}
