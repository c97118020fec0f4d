import { createHash } from 'node:crypto'
import type { Client } from './client'
import { apiURLs } from './endpoints'
import { IDTokenError } from '../errors'
import { errors as joseErrors, jwtVerify } from './jose'
import { JWKSCache } from './jwks'
import type { PagerDutyUser, Region } from '../user'

/** What the id_token of one response must agree with. */
export interface IDTokenContext {
  /** The access token it came with. */
  accessToken: string
  /** The nonce sent with the authorization request. Compared if PagerDuty sends one back. */
  nonce?: string | undefined
}

const longestToken = 16 * 1024
const clockTolerance = 60
const maxTokenAge = 10 * 60

/** Verifies id_tokens of one client (OpenID Connect Core 3.1.3.7). */
export class IDTokenVerifier {
  readonly #client: Client
  readonly #jwks: JWKSCache

  constructor(client: Client) {
    this.#client = client
    this.#jwks = new JWKSCache(client)
  }

  /**
   * Who the token speaks of: after its signature, issuer, audience, authorized party, times and purpose held.
   *
   * @throws {IDTokenError}
   */
  async verify(idToken: string | undefined, context: IDTokenContext): Promise<PagerDutyUser> {
    if (idToken === undefined) {
      throw new IDTokenError('PagerDuty sent no id_token with the login', {
        code: 'ERR_PAGERDUTY_ID_TOKEN_MISSING',
        status: 403,
        hint: 'Nothing signed says who this is. Check that the token endpoint is PagerDuty’s and the app asks for a user token.',
      })
    }
    if (!isCanonical(idToken)) throw refused('is no compact JWS')
    const claims = await this.#verified(idToken)
    this.#checkParties(claims)
    // JSON has numbers that never end.
    if (!Number.isFinite(claims['exp'])) throw refused('has no end')
    if (claims['purpose'] !== undefined && claims['purpose'] !== 'id')
      throw refused('was made for another purpose')
    if (claims['nonce'] !== undefined && context.nonce !== undefined && claims['nonce'] !== context.nonce) {
      throw refused('answers another login')
    }
    if (this.#client.requireAtHash && claims['at_hash'] !== atHash(context.accessToken)) {
      throw refused('belongs to another access token')
    }
    return this.#userOf(claims)
  }

  async #verified(idToken: string): Promise<Record<string, unknown>> {
    const options = {
      algorithms: ['RS256'],
      issuer: [...this.#client.issuers],
      audience: this.#client.clientID,
      requiredClaims: ['exp', 'iat', 'sub'],
      clockTolerance,
      maxTokenAge,
    }
    try {
      try {
        return claimsOf(idToken, await jwtVerify(idToken, await this.#jwks.current(), options))
      } catch (error) {
        if (!(error instanceof joseErrors.JWKSNoMatchingKey)) throw error
        return claimsOf(idToken, await jwtVerify(idToken, await this.#jwks.refreshed(), options))
      }
    } catch (error) {
      throw error instanceof IDTokenError ? error : refused(`failed verification (${codeOf(error)})`)
    }
  }

  /** Every audience must be this client or a PagerDuty API; with several, `azp` must be this client. */
  #checkParties(claims: Record<string, unknown>): void {
    const { clientID } = this.#client
    const audiences = audiencesOf(claims)
    const isTrusted = (audience: string) =>
      audience === clientID || isKnownAPI(audience) || this.#client.isAPI(audience)
    if (!audiences.every(isTrusted)) throw refused('names an audience that is not trusted')
    if (claims['azp'] === undefined ? audiences.length > 1 : claims['azp'] !== clientID) {
      throw refused('was issued to another party')
    }
  }

  #userOf(claims: Record<string, unknown>): PagerDutyUser {
    const named = audiencesOf(claims).filter(isKnownAPI)
    const region = named.length === 1 ? regionOf(named[0]) : undefined
    const apiURL = this.#client.apiURL ?? (region && apiURLs[region])
    if (apiURL === undefined) throw refused('does not name the regional REST API of the user')
    const id = identifier(claims['user_id'] ?? claims['sub'])
    const accountID = identifier(claims['account_id'])
    if (id === undefined || accountID === undefined || typeof claims['sub'] !== 'string')
      throw refused('lacks the ids of user and account')
    return {
      id,
      accountID,
      subdomain: identifier(claims['subdomain']),
      region,
      apiURL,
      delegationID: identifier(claims['delegation_id']),
    }
  }
}

/** Base64url with stray bits decodes to the same bytes: such a twin of a good token is refused here. */
function isCanonical(token: string): boolean {
  const parts = token.split('.')
  return (
    token.length <= longestToken &&
    parts.length === 3 &&
    parts.every((part) => part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part)
  )
}

/**
 * The claims of a JWT that is not typed as something else, such as an access or logout token (RFC 8725 section 3.11), and
 * says nothing twice (RFC 7515 section 4, RFC 7519 section 4): readers differ in which of the two they believe.
 */
function claimsOf(
  idToken: string,
  { payload, protectedHeader }: Awaited<ReturnType<typeof jwtVerify>>,
): Record<string, unknown> {
  const [head, body] = idToken.split('.')
  if (repeatsName(head, protectedHeader) || repeatsName(body, payload)) throw refused('says something twice')
  if (protectedHeader.typ === undefined || /^jwt$/i.test(protectedHeader.typ)) return payload
  throw refused('is another kind of token')
}

/** Whether an encoded JSON text has more names than are left when it is read. */
function repeatsName(encoded = '', read: object): boolean {
  const strings = Buffer.from(encoded, 'base64url')
    .toString()
    .matchAll(/"(?:[^"\\]|\\[^])*(?:"(\s*:)?|\\?$)/g)
  return [...strings].filter(([, colon]) => colon !== undefined).length > countNames(read)
}

function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const within = Object.values(value).reduce((sum: number, member) => sum + countNames(member), 0)
  return Array.isArray(value) ? within : within + Object.keys(value).length
}

function audiencesOf(claims: Record<string, unknown>): readonly string[] {
  return [claims['aud']].flat().map(String)
}

function isKnownAPI(audience: string): boolean {
  return regionOf(audience) !== undefined
}

function regionOf(audience: string | undefined): Region | undefined {
  return audience === apiURLs.us ? 'us' : audience === apiURLs.eu ? 'eu' : undefined
}

function identifier(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\x21-\x7e]{1,128}$/.test(value) ? value : undefined
}

function atHash(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url')
}

function codeOf(error: unknown): string {
  return error instanceof joseErrors.JOSEError ? error.code : 'unreadable'
}

function refused(why: string): IDTokenError {
  return new IDTokenError(`The id_token ${why}`, {
    code: 'ERR_PAGERDUTY_ID_TOKEN',
    status: 403,
    hint: 'Check clientID, the option issuer, and the clock of this machine.',
  })
}
