/** A pair of tokens, and what became of it at the server. */
export interface Pair {
  readonly number: number
  readonly access: string
  readonly refresh: string
  readonly issuedAt: number
  readonly expiresAt: number
  usedAt: number | undefined
  successor: Pair | undefined
}

/** What a user granted at one login. */
export interface Delegation {
  readonly id: string
  readonly pairs: Pair[]
  isRevoked: boolean
}

export interface ServerSettings {
  /** Milliseconds for which a used refresh token gets the same pair once more. */
  readonly grace: number
  readonly reuse: 'reject' | 'revoke-family'
}

export const lifetime = 3_600_000

/** An authorization server whose refresh tokens work once. Everything happens at the moment of the call. */
export class AuthorizationServer {
  readonly #now: () => number
  readonly #settings: ServerSettings
  readonly #refreshTokens = new Map<string, { delegation: Delegation; pair: Pair }>()
  readonly #accessTokens = new Map<string, Pair>()
  /** Refresh tokens that got an `invalid_grant`. */
  readonly refused = new Set<string>()
  refreshes = 0
  reuses = 0

  constructor(now: () => number, settings: ServerSettings) {
    this.#now = now
    this.#settings = settings
  }

  delegate(id: string): Delegation {
    const delegation: Delegation = { id, pairs: [], isRevoked: false }
    this.#issue(delegation)
    return delegation
  }

  /** The new pair, or undefined for `invalid_grant`. */
  refresh(token: string): Pair | undefined {
    const { delegation, pair } = this.of(token)
    const isReuse = pair.usedAt !== undefined
    if (isReuse) this.reuses++
    if (!delegation.isRevoked && !isReuse) {
      pair.usedAt = this.#now()
      pair.successor = this.#issue(delegation)
      this.refreshes++
      return pair.successor
    }
    const isForgiven = this.#now() - (pair.usedAt ?? 0) < this.#settings.grace
    if (!delegation.isRevoked && isForgiven && pair.successor?.usedAt === undefined) return pair.successor
    if (isReuse && this.#settings.reuse === 'revoke-family') delegation.isRevoked = true
    this.refused.add(token)
    return undefined
  }

  /** Strict: only the newest refresh token ends the delegation, so that a pair that was left behind shows. */
  revoke(token: string): void {
    const known = this.#refreshTokens.get(token)
    if (known !== undefined && known.pair === newest(known.delegation)) known.delegation.isRevoked = true
  }

  of(refreshToken: string): { delegation: Delegation; pair: Pair } {
    const known = this.#refreshTokens.get(refreshToken)
    if (known === undefined) throw new Error(`The server never issued ${refreshToken}`)
    return known
  }

  pairOfAccess(accessToken: string): Pair {
    const pair = this.#accessTokens.get(accessToken)
    if (pair === undefined) throw new Error(`The server never issued ${accessToken}`)
    return pair
  }

  #issue(delegation: Delegation): Pair {
    const number = delegation.pairs.length + 1
    const pair: Pair = {
      number,
      access: `access-${delegation.id}-${number}`,
      refresh: `refresh-${delegation.id}-${number}`,
      issuedAt: this.#now(),
      expiresAt: this.#now() + lifetime,
      usedAt: undefined,
      successor: undefined,
    }
    delegation.pairs.push(pair)
    this.#refreshTokens.set(pair.refresh, { delegation, pair })
    this.#accessTokens.set(pair.access, pair)
    return pair
  }
}

export function newest(delegation: Delegation): Pair {
  return delegation.pairs.at(-1) as Pair
}
