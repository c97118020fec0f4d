import { randomUUID } from 'node:crypto'
import type { Settings } from './settings'
import type { Delegation, LiveGrant, RefreshToken, Token, TokenPair } from './tokens'
import { Records, lifetimes, tokenValue, verifies } from './tokens'

/** @internal Issues, rotates and ends codes and tokens. */
export class Grants {
  readonly #settings: Settings
  readonly records: Records
  reuses = 0

  constructor(settings: Settings, records = new Records()) {
    this.#settings = settings
    this.records = records
  }

  delegate(given: Omit<Delegation, 'id' | 'startedAt' | 'revoked'>): Delegation {
    return { ...given, id: randomUUID(), startedAt: this.#settings.now(), revoked: false }
  }

  issueCode(delegation: Delegation, redirectURI: string, challenge: string | undefined): string {
    const value = randomUUID().replaceAll('-', '')
    const expiresAt = this.#settings.now() + this.#settings.codeLifetime * 1000
    this.records.codes.set(value, { value, delegation, redirectURI, challenge, expiresAt, spent: false })
    return value
  }

  /** Any attempt by the right client uses the code up, also one that fails; a second one ends what came of the first. */
  redeemCode(
    value: string,
    given: { clientID: string; redirectURI: string | undefined; verifier: string | undefined },
  ): Delegation | undefined {
    const code = this.records.codes.get(value)
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
    this.records.refresh.set(refresh.value, refresh)
    return { access, refresh }
  }

  issueAccessToken(delegation: Delegation): Token {
    const lifetime = this.#settings.accessTokenLifetime ?? lifetimes[delegation.appType].access
    const expiresAt = this.#settings.now() + lifetime * 1000
    const access: Token = { value: tokenValue(0, delegation), delegation, expiresAt }
    this.records.access.set(access.value, access)
    return access
  }

  /** Rotation: the presented token is used up and a new pair takes its place. */
  refresh(value: string, clientID: string): TokenPair | undefined {
    const { now, grace, reuse, revokeOldAccessToken } = this.#settings
    const token = this.records.refresh.get(value)
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
    if (revokeOldAccessToken) this.records.access.delete(token.access.value)
    return successor
  }

  /** The access token, if the REST API would accept it. */
  liveAccessToken(value: string): Token | undefined {
    const token = this.records.access.get(value)
    return token && this.#isLive(token) ? token : undefined
  }

  /** RFC 7009: a refresh token takes everything of its login with it, an access token only itself. */
  revoke(value: string, clientID: string): void {
    const refresh = this.records.refresh.get(value)
    if (refresh?.delegation.clientID === clientID) refresh.delegation.revoked = true
    if (this.records.access.get(value)?.delegation.clientID === clientID) this.records.access.delete(value)
  }

  revokeAll(): void {
    for (const { delegation } of [
      ...this.records.codes.values(),
      ...this.records.access.values(),
      ...this.records.refresh.values(),
    ]) {
      delegation.revoked = true
    }
  }

  expireAccessTokens(): void {
    for (const token of this.records.access.values())
      token.expiresAt = Math.min(token.expiresAt, this.#settings.now())
  }

  /** What serves, the newest last. */
  live(): LiveGrant[] {
    const access = [...this.records.access.values()].filter((token) => this.#isLive(token))
    const refresh = [...this.records.refresh.values()].filter((token) => !token.spent && this.#isLive(token))
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
    return [...this.records.access.values()].findLast((token) => this.#belongsTo(token, userID))?.value
  }

  newestRefreshToken(userID: string): string | undefined {
    return [...this.records.refresh.values()].findLast(
      (token) => !token.spent && this.#belongsTo(token, userID),
    )?.value
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
