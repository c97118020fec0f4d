import { createHash } from 'node:crypto'
import type { Client } from './client'
import { apiURLs } from './endpoints'
import { IDTokenError } from '../errors/pagerduty-errors'
import { errors as joseErrors, jwtVerify } from './jose'
import { JWKSCache } from './jwks'
import type { PagerDutyUser, Region } from '../user'

/** What the id_token of a response must match. */
export interface IDTokenContext {
  /** The access token it came with. */
  accessToken: string
  /** The nonce of the authorization request. Compared if PagerDuty sends one back. */
  nonce?: string | undefined
}

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
   * The user that the token names, once signature, issuer, audience, authorized party, times and purpose are verified.
   *
   * @throws {IDTokenError}
   */
  async verify(idToken: string | undefined, context: IDTokenContext): Promise<PagerDutyUser> {
    if (idToken === undefined) {
      throw new IDTokenError('PagerDuty sent no id_token with the login', {
        code: 'ERR_PAGERDUTY_ID_TOKEN_MISSING',
        status: 403,
        hint: 'Nothing signed says who this is. Check that the token endpoint is PagerDuty’s and the app requests a user token.',
      })
    }
    const claims = await this.#verified(idToken)
    this.#checkParties(claims)
    if (claims['purpose'] !== undefined && claims['purpose'] !== 'id')
      throw rejected('was made for another purpose', 'purpose')
    if (claims['nonce'] !== undefined && context.nonce !== undefined && claims['nonce'] !== context.nonce) {
      throw rejected('belongs to another login', 'nonce')
    }
    if (this.#client.requireAtHash && claims['at_hash'] !== atHash(context.accessToken)) {
      throw rejected('belongs to another access token', 'at_hash')
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
      const keys = await this.#jwks.current()
      const { payload, protectedHeader } = await jwtVerify(idToken, keys, options).catch(async (error) => {
        if (!(error instanceof joseErrors.JWKSNoMatchingKey)) throw error
        return jwtVerify(idToken, await this.#jwks.refreshed(), options)
      })
      // Typed explicitly as something else, such as an access or a logout token (RFC 8725 section 3.11).
      const { typ } = protectedHeader
      if (typ !== undefined && !/^jwt$/i.test(typ)) throw rejected('is another kind of token (header "typ")')
      return payload
    } catch (error) {
      throw error instanceof IDTokenError
        ? error
        : rejected(`failed verification, ${codeOf(error)}`, claimOf(error))
    }
  }

  /** Every audience must be this client or a PagerDuty API; with several, `azp` must be this client. */
  #checkParties(claims: Record<string, unknown>): void {
    const { clientID } = this.#client
    const audiences = audiencesOf(claims)
    const isTrusted = (audience: string) =>
      audience === clientID || isKnownAPI(audience) || this.#client.isAPI(audience)
    if (!audiences.every(isTrusted)) throw rejected('names an audience that is not trusted', 'aud')
    if (claims['azp'] === undefined ? audiences.length > 1 : claims['azp'] !== clientID) {
      throw rejected('was issued to another party', 'azp')
    }
  }

  #userOf(claims: Record<string, unknown>): PagerDutyUser {
    const named = audiencesOf(claims).filter(isKnownAPI)
    const region = named.length === 1 ? regionOf(named[0]) : undefined
    const apiURL = this.#client.apiURL ?? (region && apiURLs[region])
    if (apiURL === undefined) throw rejected('does not name the regional REST API of the user', 'aud')
    const id = identifier(claims['user_id'] ?? claims['sub'])
    const accountID = identifier(claims['account_id'])
    if (id === undefined || accountID === undefined || typeof claims['sub'] !== 'string')
      throw rejected('lacks the ids of user and account (claims "sub", "user_id", "account_id")')
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

/** The claim that jose rejected; "unspecified" where it is none. */
function claimOf(error: unknown): string | undefined {
  const { claim } = error as { claim?: string }
  return claim === 'unspecified' ? undefined : claim
}

function rejected(why: string, claim?: string): IDTokenError {
  return new IDTokenError(`The id_token ${why}${claim === undefined ? '' : ` (claim "${claim}")`}`, {
    code: 'ERR_PAGERDUTY_ID_TOKEN',
    status: 403,
    hint: 'Check the options clientID (claim "aud") and issuer (claim "iss"), and the clock of this machine (claims "exp", "iat").',
  })
}
