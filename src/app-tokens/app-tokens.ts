import { parseAccount, requireFrom } from './account'
import { AppTokenCache } from './token-cache'
import { type AppTokenRequest, appTokenRequest } from './token-repository'
import { type TokenSource, bearerFetch } from '../oauth/bearer-fetch'
import { type PageInit, paginate } from '../oauth/paginate'
import type { RateLimits } from '../oauth/rate-limits'
import { type Context, createContext } from '../context'
import type { AppToken, AppTokenInit, AppTokenOptions, AppTokensOptions } from './options'
import type { Client } from '../oauth/client'
import { apiURLs } from '../oauth/endpoints'
import { ConfigurationError } from '../errors/errors'
import { LRUMap } from '../async/lru-map'
import type { ListPath } from '../scopes/catalogue'
import { parseScopeOption, requireScope } from '../scopes/scope'
import { clientOptionNames } from '../oauth/client-options'
import { requireSpelling } from '../errors/known-members'
import { storeOptionNames } from '../store/store-options'

export type { AppToken, AppTokenInit, AppTokenOptions, AppTokensOptions }

/**
 * Tokens of the app itself, for server-to-server work: requested by client credentials once for all processes that share the
 * token store, stored encrypted, and replaced before they expire.
 *
 * @see https://developer.pagerduty.com/docs/app-oauth-token
 */
export class AppTokens {
  readonly #client: Client
  readonly #cache: AppTokenCache
  readonly #rateLimits: RateLimits
  readonly #account: string | undefined
  readonly #scope: readonly string[]
  readonly #from: string | undefined
  readonly #requests = new LRUMap<string, AppTokenRequest>(1_000)

  /** @throws {ConfigurationError} also for a Classic app or a public client, which PagerDuty gives no app tokens */
  constructor(options: AppTokensOptions)
  /** @internal */
  constructor(options: AppTokensOptions, context: Context)
  constructor(options: AppTokensOptions, context = contextOf(options)) {
    this.#client = context.client
    this.#rateLimits = context.rateLimits
    if (this.#client.appType === 'classic') {
      throw new ConfigurationError(
        'appType',
        'is "classic": PagerDuty gives app tokens to Scoped apps only',
        'Register an app with Scoped OAuth at PagerDuty for server-to-server work.',
      )
    }
    // They are passed on as functions, to another client for example.
    this.getToken = this.getToken.bind(this)
    this.fetch = this.fetch.bind(this)
    this.paginate = this.paginate.bind(this)
    const { account, appScope, scope = [], from } = options
    this.#cache = new AppTokenCache(context)
    this.#account = account
    this.#from = requireFrom(from)
    if (account !== undefined) parseAccount(account)
    if (appScope !== undefined) this.#scope = requireAppScope(appScope)
    else this.#scope = scope.length === 0 ? [] : appScopeOf(requireScope(scope, 'scoped'))
  }

  /**
   * A token with these scopes, or more: from memory, else from the store, else a new one.
   *
   * @param scope a list, or a string separated by spaces; order and repetition do not matter
   * @throws {ScopeNotGrantedError} PagerDuty issued less than was requested
   * @throws {TokenEndpointError} PagerDuty issued no token this time
   * @throws {ConfigurationError} no account, or not of this form
   */
  getToken(
    scope: string | readonly string[] = this.#scope,
    { account, minValidity = 0 }: AppTokenOptions = none,
  ): Promise<AppToken> {
    try {
      return this.#cache.get(this.#request(scope, account), { minValidity: minValidity * 1000 })
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Calls PagerDuty's REST API as the app, in the account's region. Takes a path, or a whole URL of that API or of the remote
   * MCP server beside it; the token goes nowhere else. After a 401 it tries with another token, three at most.
   */
  async fetch(pathOrURL: string | URL, init: AppTokenInit = {}): Promise<Response> {
    const { scope = this.#scope, account, ...rest } = init
    const request = this.#request(scope, account)
    const apiURL = this.#client.apiURL ?? apiURLs[request.account.region]
    const source: TokenSource = {
      apiURL,
      mcpURL: this.#client.mcpURLFor(apiURL),
      from: this.#from,
      owner: { token: 'app', account: request.account.name },
      token: async (rejected) =>
        rejected === undefined
          ? (await this.#cache.get(request)).accessToken
          : this.#cache.replaceRejected(request, rejected),
      markRejected: (rejected) => this.#cache.markRejected(request, rejected),
    }
    return bearerFetch(this.#client.fetch, source, this.#rateLimits)(pathOrURL, rest)
  }

  /** Iterates over the items of one of PagerDuty's lists as the app; see {@link UserGrant.paginate}. */
  paginate<Item = unknown>(
    pathOrURL: ListPath | (string & {}),
    init?: PageInit<AppTokenInit>,
  ): AsyncGenerator<Item, void, undefined> {
    return paginate<Item, AppTokenInit>((page, own) => this.fetch(page, own), pathOrURL, init)
  }

  /**
   * Forgets a token that another client used and PagerDuty rejected: this process does not use it again, and it is removed
   * from the token store, whichever process requested it and for whatever scope and account. A process that has it in memory
   * uses it until PagerDuty rejects it there, or until `invalidate` is called there. Unknown tokens are ignored.
   *
   * @throws {TokenStoreError} this process has forgotten it, but the store failed: other processes may still read it there
   */
  async invalidate(token: string | Pick<AppToken, 'accessToken'>): Promise<void> {
    await this.#cache.invalidate(typeof token === 'string' ? token : token.accessToken)
  }

  /** Starts nothing more, and waits until what runs is finished and stored. */
  async close(): Promise<void> {
    await this.#cache.close()
  }

  #request(scope: string | readonly string[], account: string | undefined): AppTokenRequest {
    if (account !== undefined) return this.#parse(scope, account)
    // Lists and strings that read alike mean the same: a newline separates in a string, and is in no scope.
    const spelling = Array.isArray(scope) ? `\n${scope.join('\n')}` : String(scope)
    const known = this.#requests.get(spelling)
    if (known !== undefined) return known
    const request = this.#parse(scope, this.#account)
    this.#requests.set(spelling, request)
    return request
  }

  #parse(scope: string | readonly string[], account: string | undefined): AppTokenRequest {
    return appTokenRequest(this.#client, parseAccount(account), requireAppScope(scope))
  }
}

const none: AppTokenOptions = {}

const names = [...clientOptionNames, ...storeOptionNames, 'account', 'appScope', 'from']
/** An option of the strategy, which an app may give to both. */
const notMisspelt = 'accounts'

/** An app token gets its scope from the call, and needs no callback. */
function contextOf({ callbackURL = 'http://localhost/', ...options }: AppTokensOptions): Context {
  requireSpelling('AppTokens', options, [...names, notMisspelt])
  return createContext({ ...options, scope: 'openid', callbackURL })
}

/** A login's scope as an app's: `openid` is for users. */
function appScopeOf(scope: string | readonly string[]): readonly string[] {
  return parseScopeOption(scope).filter((token) => token !== 'openid')
}

function requireAppScope(scope: string | readonly string[]): readonly string[] {
  return requireScope(appScopeOf(requireScope(scope, 'scoped')), 'scoped')
}

export { parseAccount }
