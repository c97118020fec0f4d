import { createHash } from 'node:crypto'
import type { AccountName } from './account'
import type { Client } from './client'
import { parseGrantedScope } from './scope'
import type { KeyRing, Sealer } from './seal'
import { TokenSet } from './token-set'
import type { TokenStore } from './token-store'

/** An app token, and the very value in the store that it was read from. */
export interface StoredAppToken {
  readonly tokens: TokenSet
  readonly sealed: string
}

/**
 * What tells app tokens apart: who asks, where, for which account and for which set of scopes. Order and repetition of
 * the scopes do not matter.
 */
export function appTokenID(client: Client, account: AccountName, scope: readonly string[]): string {
  const parts = [client.tokenURL, client.clientID, account.scope, ...[...new Set(scope)].toSorted()]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)
}

/** App tokens in the token store, sealed and bound to their keys. */
export class AppTokenVault {
  readonly #store: TokenStore
  readonly #sealer: Sealer

  constructor(store: TokenStore, keys: KeyRing) {
    this.#store = store
    this.#sealer = keys.sealer('app token')
  }

  /** The token as it is stored now. What cannot be opened counts as none. */
  async read(id: string): Promise<StoredAppToken | undefined> {
    const key = keyOf(id)
    const sealed = await this.#store.get(key)
    const text = sealed === undefined ? undefined : this.#sealer.open(sealed, key)
    return text === undefined || sealed === undefined ? undefined : { tokens: decode(text), sealed }
  }

  /** Puts a token in the place of what is there, for as long as it lives. */
  async write(id: string, tokens: TokenSet): Promise<StoredAppToken> {
    const key = keyOf(id)
    const sealed = this.#sealer.seal(encode(tokens), key)
    const ttl = Math.max(tokens.expiresAt - Date.now(), 1)
    const current = await this.#store.get(key)
    // The writer holds the lock; whoever came between wrote a token that is as good.
    if (current === undefined) await this.#store.create(key, sealed, ttl)
    else await this.#store.replace(key, current, sealed, ttl)
    return { tokens, sealed }
  }

  /** Removes a token, if it is the one that was read. */
  async delete(id: string, { sealed }: StoredAppToken): Promise<void> {
    await this.#store.delete(keyOf(id), sealed)
  }
}

function keyOf(id: string): string {
  return `app:${id}`
}

function encode({ accessToken, expiresAt, obtainedAt, scope }: TokenSet): string {
  return JSON.stringify([accessToken, expiresAt, obtainedAt, scope.join(' ')])
}

function decode(text: string): TokenSet {
  const [accessToken, expiresAt, obtainedAt, scope] = JSON.parse(text) as [string, number, number, string]
  return new TokenSet({
    accessToken,
    refreshToken: undefined,
    expiresAt,
    obtainedAt,
    scope: parseGrantedScope(scope),
  })
}
