import { createHash } from 'node:crypto'
import type { Account } from './account'
import type { Client } from '../oauth/client'
import { effectiveExpiry } from '../oauth/token-expiry'
import { isNumber, isText, listOf, parseJSON } from '../store/decode'
import { parseGrantedScope } from '../scopes/scope'
import type { KeyRing, Sealer } from '../store/encryption'
import { TokenSet } from '../oauth/token-set'
import type { TokenStore } from '../store/token-store'

/** A request for an app token: some scopes on one account. */
export interface AppTokenRequest {
  /** Key of the token: a hash of endpoint, client, account and the set of scopes. */
  readonly id: string
  readonly account: Account
  /** Sorted, each once. */
  readonly scope: readonly string[]
  /** The scopes of the token request: that of the account, then the others. */
  readonly requested: readonly string[]
}

/** Order and repetition of the scopes do not matter. */
export function appTokenRequest(
  client: Client,
  account: Account,
  scopes: readonly string[],
): AppTokenRequest {
  const scope = [...new Set(scopes)].toSorted()
  const requested = [account.scope, ...scope]
  const id = hash(JSON.stringify([client.tokenURL, client.clientID, ...requested]))
  return { id, account, scope, requested }
}

/** App tokens in the token store, each encrypted for its key. */
export class AppTokenRepository {
  readonly #store: TokenStore
  readonly #sealer: Sealer

  constructor(store: TokenStore, keys: KeyRing) {
    this.#store = store
    this.#sealer = keys.sealer('app token')
  }

  /** The stored token. What cannot be decrypted or decoded counts as none. */
  async read(id: string): Promise<TokenSet | undefined> {
    return this.#open(id, await this.#store.get(keyOf(id)))
  }

  /** Replaces the stored token, until this one expires. */
  async write(id: string, tokens: TokenSet): Promise<void> {
    const key = keyOf(id)
    const sealed = this.#sealer.seal(encode(tokens), key)
    const ttl = Math.max(effectiveExpiry(tokens) - Date.now(), 1)
    // The index entry comes first: every stored token can be found by its value.
    const [current] = await Promise.all([
      this.#store.get(key),
      this.#store.create(indexKeyOf(tokens.accessToken), id, ttl),
    ])
    // The writer holds the lease. If it was lost, the token of the next holder is as good as this one and stays.
    if (current === undefined) await this.#store.create(key, sealed, ttl)
    else await this.#store.replace(key, current, sealed, ttl)
  }

  /** Deletes this token, whichever process stored it and whatever it was requested for. */
  async delete(accessToken: string): Promise<void> {
    const id = await this.#store.get(indexKeyOf(accessToken))
    if (id === undefined) return
    const key = keyOf(id)
    const sealed = await this.#store.get(key)
    if (this.#open(id, sealed)?.accessToken === accessToken) await this.#store.delete(key, sealed)
  }

  #open(id: string, sealed: string | undefined): TokenSet | undefined {
    const text = sealed === undefined ? undefined : this.#sealer.open(sealed, keyOf(id))
    return text === undefined ? undefined : decode(text)
  }
}

function keyOf(id: string): string {
  return `app:${id}`
}

/** The key that leads from a token to the request it was issued for. */
function indexKeyOf(accessToken: string): string {
  return `token:${hash(accessToken)}`
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}

function encode({ accessToken, expiresAt, obtainedAt, scope }: TokenSet): string {
  return JSON.stringify([accessToken, expiresAt, obtainedAt, scope.join(' ')])
}

/** Undefined for what another version of this package may have written. */
function decode(text: string): TokenSet | undefined {
  const [accessToken, expiresAt, obtainedAt, scope] = listOf(parseJSON(text)) ?? []
  if (!isText(accessToken) || !isNumber(expiresAt) || !isNumber(obtainedAt) || !isText(scope))
    return undefined
  const granted = parseGrantedScope(scope)
  return new TokenSet({ accessToken, refreshToken: undefined, expiresAt, obtainedAt, scope: granted })
}
