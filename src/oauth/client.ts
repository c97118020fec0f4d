import { type ClientOptions, requireClientTypes } from './client-options'
import { clientSecrets, isCredential } from './client-secret'
import { apiURLs, identityURL, issuers, mcpURLs, paths } from './endpoints'
import { ConfigurationError } from '../errors/errors'
import { type AppType, requireScope } from '../scopes/scope'
import { parseURL } from '../http/request-url'
import { isTaken } from '../http/taken-names'
import { requireCallbackURLs, requireOrigin, originsOf, requireURL } from './require-url'

/** The options, checked and completed. Inspection and serialization do not show the secret. */
export class Client {
  readonly name: string
  readonly clientID: string
  /** One for each origin of the app, with one path and one scheme. */
  readonly callbackURLs: readonly [string, ...string[]]
  /** The path of the callback route, which all callback URLs share. */
  readonly callbackPath: string
  /** Whether browsers reach the app by https; decides the `Secure` attribute of every cookie. */
  readonly isSecure: boolean
  /** The app's own origins: those of `callbackURLs`, then `trustedOrigins`. */
  readonly origins: readonly string[]
  readonly scope: readonly string[]
  readonly appType: AppType
  readonly authorizationURL: string
  readonly tokenURL: string
  readonly revocationURL: string
  readonly jwksURL: string
  readonly issuers: readonly string[]
  readonly apiURL: string | undefined
  readonly mcpURL: string | undefined
  readonly requireAtHash: boolean
  readonly fetch: typeof globalThis.fetch
  readonly #secrets: (() => Promise<readonly string[]>) | undefined

  /** @throws {ConfigurationError} names the option that is missing or contradictory */
  constructor(options: ClientOptions) {
    requireClientTypes(options)
    this.clientID = requireClientID(options.clientID)
    this.#secrets = options.clientSecret === undefined ? undefined : clientSecrets(options.clientSecret)
    this.appType = requireAppType(options.appType ?? 'scoped')
    this.name = requireName(options.name)
    this.callbackURLs = requireCallbackURLs(options.callbackURL)
    const { pathname, protocol } = new URL(this.callbackURLs[0])
    this.callbackPath = pathname
    this.isSecure = protocol === 'https:'
    this.origins = originsOf(this.callbackURLs, options.trustedOrigins)
    this.scope = requireScope(options.scope, this.appType)
    const identity = requireOrigin('identityURL', options.identityURL ?? identityURL)
    this.authorizationURL = requireURL(
      'authorizationURL',
      options.authorizationURL ?? identity + paths.authorize,
    )
    this.tokenURL = requireURL('tokenURL', options.tokenURL ?? identity + paths.token)
    this.revocationURL = requireURL('revocationURL', options.revocationURL ?? identity + paths.revoke)
    this.jwksURL = requireURL('jwksURL', options.jwksURL ?? identity + paths.jwks)
    this.issuers = requireIssuers(options.issuer)
    this.apiURL = options.apiURL === undefined ? undefined : requireOrigin('apiURL', options.apiURL)
    this.mcpURL = options.mcpURL === undefined ? undefined : requireOrigin('mcpURL', options.mcpURL)
    this.requireAtHash = options.requireAtHash ?? false
    this.fetch = options.fetch ?? ((...args) => globalThis.fetch(...args))

    if (this.appType === 'scoped' && this.isPublic) {
      throw new ConfigurationError(
        'clientSecret',
        'is required: PagerDuty gives Scoped OAuth to confidential clients only',
        'Supply the secret shown when the app was created, or set appType to "classic" for a public client.',
      )
    }
  }

  /** Whether this client has no secret (RFC 6749 section 2.1). */
  get isPublic(): boolean {
    return this.#secrets === undefined
  }

  /**
   * The callback URL for the host that a browser addressed; the first one, where none is for that host. So a forged Host header
   * chooses among what is configured, and nothing else.
   *
   * @param host with its port, if that is not the default
   */
  callbackURLFor(host: string | undefined): string {
    const [first, ...others] = this.callbackURLs
    // With one of these it would be more than a host.
    if (others.length === 0 || host === undefined || /[/?#@\\\s]/.test(host)) return first
    const origin = parseURL(`${this.isSecure ? 'https' : 'http'}://${host}`)?.origin
    return this.callbackURLs.find((_url, position) => this.origins[position] === origin) ?? first
  }

  /**
   * The secrets to try, in this order; of a public client only undefined.
   *
   * @throws {TokenEndpointError} the app's function gave none
   */
  async secrets(): Promise<readonly (string | undefined)[]> {
    return this.#secrets === undefined ? [undefined] : this.#secrets()
  }

  /** Adds the client's own parameters to a form (RFC 6749 section 2.3.1); a public client sends no secret at all. */
  authenticate(form: URLSearchParams, secret: string | undefined): URLSearchParams {
    form.set('client_id', this.clientID)
    if (secret !== undefined) form.set('client_secret', secret)
    return form
  }

  /** Whether a URL is the origin of a PagerDuty REST API that tokens of this client may be sent to. */
  isAPI(origin: string): boolean {
    return this.apiURL === undefined ? Object.values(apiURLs).includes(origin) : origin === this.apiURL
  }

  /** Origin of the remote MCP server beside a REST API. */
  mcpURLFor(apiURL: string): string | undefined {
    return this.mcpURL ?? mcpURLs[apiURL]
  }
}

/** @throws {ConfigurationError} */
export function requireName(name: unknown = 'pagerduty'): string {
  if (typeof name !== 'string' || !/^[a-z][\w-]{0,31}$/i.test(name)) {
    throw new ConfigurationError('name', 'must be a short word of letters, digits, "-" and "_"')
  }
  if (!isTaken(name)) return name
  throw new ConfigurationError(
    'name',
    `is "${name}", and a request or a session has a member of that name already`,
    'The login is found as req.<name>: choose another word, such as "pagerduty".',
  )
}

function requireAppType(value: unknown): AppType {
  if (value === 'scoped' || value === 'classic') return value
  throw new ConfigurationError('appType', 'must be "scoped" or "classic"')
}

function requireClientID(value: unknown): string {
  if (isCredential(value)) return value
  const hint = 'Supply the Client ID from the app’s OAuth page at PagerDuty.'
  const isPresent = typeof value === 'string' && value.trim() !== ''
  throw new ConfigurationError(
    'clientID',
    isPresent ? 'has a character that no Client ID can have' : 'is required',
    hint,
  )
}

function requireIssuers(value: string | readonly string[] | undefined): readonly string[] {
  const list = value === undefined ? issuers : [value].flat()
  if (list.length === 0 || list.some((issuer) => typeof issuer !== 'string' || !URL.canParse(issuer))) {
    throw new ConfigurationError('issuer', 'must be one issuer URL or a list of them')
  }
  return list
}
