import { parseAccount } from './account'
import { AppTokenMint } from './token-cache'
import type { AppTokenRequest } from './token-repository'
import { Background } from '../async/background'
import { type BearerInit, bearerFetch } from '../oauth/bearer-fetch'
import { checkedTokenStore } from '../store/checked-token-store'
import { Client, type ClientOptions } from '../oauth/client'
import { apiURLs } from '../oauth/endpoints'
import { ConfigurationError, reasonOf } from '../errors'
import { Events } from '../observability/events'
import { MemoryTokenStore } from '../store/memory-token-store'
import { parseScopeOption, requireScope } from '../scopes/scope'
import { type StoreOptions, resolveSecret } from '../store/store-options'

/** Options of {@link AppTokens}: the client's, and where tokens are kept. There is nobody to call back. */
export interface AppTokensOptions extends Omit<ClientOptions, 'callbackURL' | 'scope'>, StoreOptions {
  /** Not needed. */
  callbackURL?: string | undefined
  /** Scopes that tokens have where neither a call nor `appScope` names any. */
  scope?: string | readonly string[] | undefined
  /** The account that tokens are for where a call names none: service region and subdomain, such as `us.acme`. */
  account?: string | undefined
  /** Scopes that tokens have where a call names none. @default the option `scope` */
  appScope?: string | readonly string[] | undefined
  /** @internal */
  events?: Events | undefined
}

/** An access token of the app itself. */
export interface AppToken {
  /** Readable by name only: it does not show when the token is logged, spread or turned into JSON. */
  readonly accessToken: string
  /** The scopes that PagerDuty issued, `as_account-…` among them. */
  readonly scope: readonly string[]
  /** When it ends, in milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What `getToken` heeds besides the scope. */
export interface AppTokenOptions {
  /** The account that the token is for, such as `eu.globex`. @default the option `account` of the instance */
  account?: string | undefined
  /** Seconds for which the token must still be good, at most nine tenths of its life. @default 0 */
  minValidity?: number | undefined
}

/** What `fetch` takes besides what the global one takes. */
export interface AppTokenInit extends BearerInit {
  /** Scopes that the token must have. @default the option `appScope` of the instance */
  scope?: string | readonly string[] | undefined
  /** The account that is meant. @default the option `account` of the instance */
  account?: string | undefined
}

/**
 * Tokens of the app itself, for server-to-server work: minted by client credentials once for all processes that share the
 * token store, kept sealed, and renewed ahead of their end.
 *
 * @see https://developer.pagerduty.com/docs/app-oauth-token
 */
export class AppTokens {
  readonly #client: Client
  readonly #mint: AppTokenMint
  readonly #account: string | undefined
  readonly #scope: readonly string[]
  readonly #ownStore: MemoryTokenStore | undefined
  readonly #known = new Map<string, AppTokenRequest>()
  readonly #knownElsewhere = new Map<string, AppTokenRequest>()

  /** @throws {ConfigurationError} also for a Classic app or a public client, which PagerDuty gives no app tokens */
  constructor(options: AppTokensOptions) {
    // An app token has its scope from the call, and sends nobody anywhere.
    const callbackURL = options.callbackURL ?? 'http://localhost/'
    this.#client = new Client({ ...options, scope: 'openid', callbackURL })
    if (this.#client.appType === 'classic') {
      throw new ConfigurationError(
        'appType',
        'is "classic": PagerDuty gives app tokens to Scoped apps only',
        'Register an app with Scoped OAuth at PagerDuty for server-to-server work.',
      )
    }
    const { tokenStore, secret, account, events = new Events(options.name) } = options
    this.#ownStore = tokenStore === undefined ? new MemoryTokenStore() : undefined
    const store = checkedTokenStore(tokenStore ?? (this.#ownStore as MemoryTokenStore))
    const background = new Background(options.waitUntil)
    this.#mint = new AppTokenMint(this.#client, store, resolveSecret({ secret, tokenStore }), background, {
      minted: (request, { expiresAt }) => events.tell('mint', { ...named(request), expiresAt }),
      mintFailed: (request, error) =>
        events.tell('mintFailed', { ...named(request), reason: reasonOf(error), error }),
      waited: (request, duration) =>
        events.tell('lockWait', { lock: 'mint', account: named(request).account, duration }),
    })
    this.#account = account
    if (account !== undefined) parseAccount(account)
    const { appScope, scope = [] } = options
    if (appScope !== undefined) this.#scope = requireAppScope(appScope)
    else this.#scope = scope.length === 0 ? [] : appScopeOf(requireScope(scope, 'scoped'))
  }

  /**
   * A token with these scopes, or more: from memory, else from the store, else newly minted.
   *
   * @param scope a list, or a text separated by spaces; order and repetition do not matter
   * @throws {ScopeNotGrantedError} PagerDuty issued less than was asked for
   * @throws {TokenEndpointError} PagerDuty gave no token this time
   * @throws {ConfigurationError} no account, or not of this form
   */
  getToken(
    scope: string | readonly string[] = this.#scope,
    { account, minValidity = 0 }: AppTokenOptions = none,
  ): Promise<AppToken> {
    try {
      return this.#mint.token(this.#request(scope, account), minValidity * 1000)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Calls PagerDuty's REST API as the app, in the account's region. Takes a path, or a whole URL of that API; the token goes
   * nowhere else. After a 401 it tries once more with another token.
   */
  async fetch(pathOrURL: string, init: AppTokenInit = {}): Promise<Response> {
    const { scope = this.#scope, account, ...rest } = init
    const request = this.#request(scope, account)
    const send = bearerFetch(this.#client.fetch, {
      apiURL: this.#client.apiURL ?? apiURLs[request.account.region],
      token: async (refused) =>
        refused === undefined
          ? (await this.#mint.token(request)).accessToken
          : this.#mint.instead(request, refused),
      refusedToo: (refused) => this.#mint.refusedToo(request, refused),
    })
    return send(pathOrURL, rest)
  }

  /**
   * Forgets a token that another client used and PagerDuty refused: this process does not give it out again, and it is removed
   * from the token store, whichever process obtained it and for whatever scope and account. A process that holds it in memory
   * gives it out until PagerDuty refuses it there, or until `invalidate` is called there. Unknown tokens are ignored.
   *
   * @throws {TokenStoreError} this process has forgotten it, but the store did not answer: another one may still read it there
   */
  async invalidate(token: string | Pick<AppToken, 'accessToken'>): Promise<void> {
    await this.#mint.invalidate(typeof token === 'string' ? token : token.accessToken)
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    await this.#mint.close()
    this.#ownStore?.close()
  }

  /** Parsed once for each wording. */
  #request(scope: string | readonly string[], account: string | undefined): AppTokenRequest {
    if (account === undefined) {
      // Lists and texts that read alike mean the same: in a text a line end separates, and in a scope there is none.
      const wording = Array.isArray(scope) ? `\n${scope.join('\n')}` : String(scope)
      return this.#known.get(wording) ?? this.#parsed(this.#known, wording, scope, this.#account)
    }
    // As JSON, so that no account can read like another one and a scope.
    const wording = JSON.stringify([account, scope])
    return this.#knownElsewhere.get(wording) ?? this.#parsed(this.#knownElsewhere, wording, scope, account)
  }

  #parsed(
    known: Map<string, AppTokenRequest>,
    wording: string,
    scope: string | readonly string[],
    account: string | undefined,
  ): AppTokenRequest {
    const request = this.#mint.request(parseAccount(account), requireAppScope(scope))
    if (known.size < 1_000) known.set(wording, request)
    return request
  }
}

const none: AppTokenOptions = {}

/** A login's scope as an app's: `openid` is for people. */
function appScopeOf(scope: string | readonly string[]): readonly string[] {
  return parseScopeOption(scope).filter((token) => token !== 'openid')
}

function requireAppScope(scope: string | readonly string[]): readonly string[] {
  return requireScope(appScopeOf(requireScope(scope, 'scoped')), 'scoped')
}

function named({ account, scope }: AppTokenRequest): { account: string; scope: readonly string[] } {
  return { account: `${account.region}.${account.subdomain}`, scope }
}
