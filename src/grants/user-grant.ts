import { type BearerFetch, bearerFetch } from '../oauth/bearer-fetch'
import type { Client } from '../oauth/client'
import { LoginRequiredError, UnauthorizedError } from '../errors'
import type { Events } from '../observability/events'
import type { PagerDutyUser } from '../user'
import { type AppType, missingScopes } from '../scopes/scope'
import { type Grant, type UserGrants, isOver } from './grants'

/** What `getAccessToken` heeds. */
export interface GetAccessTokenOptions {
  /** Seconds for which the token must still be good. @default 0 */
  minValidity?: number | undefined
  /** The token held was refused: give another one. */
  forceRefresh?: boolean | undefined
}

/** What a person granted to this app, with tokens that are kept fresh. */
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

  /** Whether a value is one of these, made by this package and not by its look. */
  static is(value: unknown): value is UserGrant {
    return typeof value === 'object' && value !== null && #grants in value
  }

  /** Calls PagerDuty's REST API as this user, at the user's regional host; see {@link BearerFetch}. */
  get fetch(): BearerFetch {
    // Made when it is wanted: every request has a grant, few of them call.
    return (this.#fetch ??= this.#bearerFetch())
  }

  /** Who logged in; undefined when nobody is. */
  get user(): PagerDutyUser | undefined {
    if (this.#grant === undefined) return undefined
    return (this.#user ??= { ...this.#grant.record.user })
  }

  /** What `verify` returned at the login, for `req.user`. */
  get appUser(): unknown {
    if (this.#grant === undefined) return undefined
    return (this.#appUser ??= copyOf(this.#grant.record.appUser))
  }

  /** The id under which the grant is kept; `pd.grants.get(id)` finds it without a request. */
  get grantID(): string | undefined {
    return this.#grant?.id
  }

  /** The scopes that PagerDuty really granted. */
  get grantedScopes(): readonly string[] {
    return [...(this.#grant?.record.tokens.scope ?? [])]
  }

  /** The scopes that the login asked for. */
  get requestedScopes(): readonly string[] {
    return [...(this.#grant?.record.requestedScopes ?? [])]
  }

  /** When the access token ends, in milliseconds since the epoch. */
  get expiresAt(): number | undefined {
    return this.#grant?.record.tokens.expiresAt
  }

  /** When the access token was received, in milliseconds since the epoch. */
  get obtainedAt(): number | undefined {
    return this.#grant?.record.tokens.obtainedAt
  }

  /** The kind of app that the login is to: decides what a scope covers. */
  get appType(): AppType {
    return this.#grants.client.appType
  }

  /** @internal */
  get client(): Client {
    return this.#grants.client
  }

  /** @internal */
  get events(): Events {
    return this.#grants.events
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
   * The access token, refreshed first where it has ended or ends within `minValidity`.
   *
   * @throws {UnauthorizedError} nobody is logged in
   * @throws {LoginRequiredError} PagerDuty has ended the grant
   * @throws {TokenEndpointError} transient: PagerDuty did not refresh it this time
   */
  async getAccessToken(options: GetAccessTokenOptions = {}): Promise<string> {
    const held = this.#grant
    if (held !== undefined && options.forceRefresh)
      return this.#tokens(this.#instead(held.record.tokens.accessToken))
    return this.#tokens(this.#usable((options.minValidity ?? 0) * 1000))
  }

  /**
   * Makes sure that PagerDuty still stands behind the grant: at once while the token lives, else by a refresh.
   *
   * @internal
   */
  confirm(): void | Promise<void> {
    const usable = this.#usable(0)
    if (usable instanceof Promise) return this.#tokens(usable).then(() => {})
    this.#grant = usable
  }

  /**
   * Takes the place of the grant that was here: another login's.
   *
   * @internal
   */
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
      token: async (refused) =>
        this.#tokens(refused === undefined ? this.#usable(0) : this.#instead(refused)),
      refusedToo: () => {
        if (id !== undefined) this.#grants.refusedToo(id)
      },
    })
  }

  #usable(minValidity: number): Grant | Promise<Grant> {
    if (this.#grant === undefined) throw new UnauthorizedError()
    return this.#grants.usable(this.#grant, minValidity)
  }

  #instead(refused: string): Promise<Grant> {
    if (this.#grant === undefined) throw new UnauthorizedError()
    return this.#grants.instead(this.#grant, refused)
  }
}

/** Of what JSON knows; the app may write on it. */
function copyOf(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown)
}

/** A grant for use without a request: in background jobs and administration. Undefined for one that has ended. */
export function withoutRequest(grants: UserGrants, grant: Grant | undefined): UserGrant | undefined {
  return grant === undefined || (isOver(grant) && !grant.record.isKept)
    ? undefined
    : new UserGrant(grants, grant)
}
