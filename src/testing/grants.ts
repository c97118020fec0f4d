import { createHash, randomUUID } from 'node:crypto'
import type { Account, AccountUser } from './accounts'
import type { Settings } from './settings'

/** @internal One authorization: by a user, or by the app itself for an account. Every token that came of it ends with it. */
export interface Delegation {
  id: string
  clientID: string
  appType: 'scoped' | 'classic'
  account: Account
  user?: AccountUser
  scope: readonly string[]
  nonce?: string | undefined
  /** Milliseconds since the epoch. */
  startedAt: number
  revoked: boolean
}

/** A login, or a token of the app itself, that still serves. Shows no token. */
export interface LiveGrant {
  clientID: string
  subdomain: string
  /** Absent where the app itself got the token. */
  user?: AccountUser
  scope: readonly string[]
  /** When it was consented to, in milliseconds since the epoch, as the ends below. */
  startedAt: number
  /** When its newest access token ends; undefined when none serves. */
  accessUntil: number | undefined
  /** When its refresh token ends; undefined when there is none. */
  refreshUntil: number | undefined
}

/** @internal */
export interface Token {
  value: string
  delegation: Delegation
  expiresAt: number
}

/** @internal */
export interface TokenPair {
  access: Token
  refresh?: Token
}

interface RefreshToken extends Token {
  access: Token
  spent?: { at: number; successor: TokenPair }
}

interface Code extends Token {
  redirectURI: string
  challenge: string | undefined
  spent: boolean
}

const day = 86_400
const lifetimes = {
  scoped: { access: day, refresh: 30 * day, window: 365 * day },
  classic: { access: 30 * day, refresh: 210 * day, window: 3 * 365 * day },
}

/** @internal What the authorization server remembers: codes, access tokens and refresh tokens, in memory. */
export class Grants {
  readonly #settings: Settings
  readonly #codes = new Map<string, Code>()
  readonly #access = new Map<string, Token>()
  readonly #refresh = new Map<string, RefreshToken>()
  reuses = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  delegate(given: Omit<Delegation, 'id' | 'startedAt' | 'revoked'>): Delegation {
    return { ...given, id: randomUUID(), startedAt: this.#settings.now(), revoked: false }
  }

  issueCode(delegation: Delegation, redirectURI: string, challenge: string | undefined): string {
    const value = randomUUID().replaceAll('-', '')
    const expiresAt = this.#settings.now() + this.#settings.codeLifetime * 1000
    this.#codes.set(value, { value, delegation, redirectURI, challenge, expiresAt, spent: false })
    return value
  }

  /** Any attempt by the right client uses the code up, also one that fails; a second one ends what came of the first. */
  redeemCode(
    value: string,
    given: { clientID: string; redirectURI: string | undefined; verifier: string | undefined },
  ): Delegation | undefined {
    const code = this.#codes.get(value)
    if (!code || code.delegation.clientID !== given.clientID) return undefined
    if (code.spent) code.delegation.revoked = true
    code.spent = true
    const fits = given.redirectURI === code.redirectURI && verifies(code.challenge, given.verifier)
    return fits && this.#isLive(code) ? code.delegation : undefined
  }

  issuePair(delegation: Delegation): TokenPair {
    const access = this.issueAccessToken(delegation)
    const { now, refreshTokenLifetime, rollingWindow } = this.#settings
    const usual = lifetimes[delegation.appType]
    const expiresAt = Math.min(
      now() + (refreshTokenLifetime ?? usual.refresh) * 1000,
      delegation.startedAt + (rollingWindow ?? usual.window) * 1000,
    )
    const refresh: RefreshToken = { value: tokenValue(1, delegation), delegation, expiresAt, access }
    this.#refresh.set(refresh.value, refresh)
    return { access, refresh }
  }

  issueAccessToken(delegation: Delegation): Token {
    const lifetime = this.#settings.accessTokenLifetime ?? lifetimes[delegation.appType].access
    const expiresAt = this.#settings.now() + lifetime * 1000
    const access: Token = { value: tokenValue(0, delegation), delegation, expiresAt }
    this.#access.set(access.value, access)
    return access
  }

  /** Rotation: the presented token is used up and a new pair takes its place. */
  refresh(value: string, clientID: string): TokenPair | undefined {
    const { now, grace, reuse, revokeOldAccessToken } = this.#settings
    const token = this.#refresh.get(value)
    if (!token || token.delegation.clientID !== clientID) return undefined
    if (token.spent) {
      this.reuses += 1
      if (this.#isLive(token) && now() < token.spent.at + grace * 1000) return token.spent.successor
      if (reuse === 'revoke-family') token.delegation.revoked = true
      return undefined
    }
    if (!this.#isLive(token)) return undefined
    const successor = this.issuePair(token.delegation)
    token.spent = { at: now(), successor }
    if (revokeOldAccessToken) this.#access.delete(token.access.value)
    return successor
  }

  /** The access token, if the REST API would accept it. */
  liveAccessToken(value: string): Token | undefined {
    const token = this.#access.get(value)
    return token && this.#isLive(token) ? token : undefined
  }

  /** RFC 7009: a refresh token takes everything of its login with it, an access token only itself. */
  revoke(value: string, clientID: string): void {
    const refresh = this.#refresh.get(value)
    if (refresh?.delegation.clientID === clientID) refresh.delegation.revoked = true
    if (this.#access.get(value)?.delegation.clientID === clientID) this.#access.delete(value)
  }

  revokeAll(): void {
    for (const { delegation } of [
      ...this.#codes.values(),
      ...this.#access.values(),
      ...this.#refresh.values(),
    ]) {
      delegation.revoked = true
    }
  }

  expireAccessTokens(): void {
    for (const token of this.#access.values())
      token.expiresAt = Math.min(token.expiresAt, this.#settings.now())
  }

  /** What serves, the newest last. */
  live(): LiveGrant[] {
    const access = [...this.#access.values()].filter((token) => this.#isLive(token))
    const refresh = [...this.#refresh.values()].filter((token) => !token.spent && this.#isLive(token))
    const delegations = new Set([...access, ...refresh].map(({ delegation }) => delegation))
    const endOf = (tokens: readonly Token[], delegation: Delegation) =>
      tokens.findLast((token) => token.delegation === delegation)?.expiresAt
    return [...delegations]
      .toSorted((one, other) => one.startedAt - other.startedAt)
      .map((delegation) => {
        const { clientID, account, user, scope, startedAt } = delegation
        return {
          clientID,
          subdomain: account.subdomain,
          ...(user && { user }),
          scope,
          startedAt,
          accessUntil: endOf(access, delegation),
          refreshUntil: endOf(refresh, delegation),
        }
      })
  }

  newestAccessToken(userID: string): string | undefined {
    return [...this.#access.values()].findLast((token) => this.#belongsTo(token, userID))?.value
  }

  newestRefreshToken(userID: string): string | undefined {
    return [...this.#refresh.values()].findLast((token) => !token.spent && this.#belongsTo(token, userID))
      ?.value
  }

  secondsLeft({ expiresAt }: Token): number {
    return Math.max(0, Math.round((expiresAt - this.#settings.now()) / 1000))
  }

  #belongsTo(token: Token, userID: string): boolean {
    return token.delegation.user?.id === userID && this.#isLive(token)
  }

  #isLive({ delegation, expiresAt }: Token): boolean {
    return !delegation.revoked && this.#settings.now() < expiresAt
  }
}

/** RFC 7636 section 4.6. A verifier without a challenge is refused too, as RFC 9700 section 2.1.1 wants against a downgrade. */
function verifies(challenge: string | undefined, verifier: string | undefined): boolean {
  if (challenge === undefined || verifier === undefined) return challenge === verifier
  if (!/^[\w.~-]{43,128}$/.test(verifier)) return false
  return createHash('sha256').update(verifier).digest('base64url') === challenge
}

// The European prefix has never been published: whatever reads it should treat tokens as opaque.
function tokenValue(kind: 0 | 1, { account }: Delegation): string {
  return `pd${account.region}+_${kind}XBPWQQ_${randomUUID()}`
}
