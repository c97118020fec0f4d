import { createHash } from 'node:crypto'
import type { AccountName } from './account'
import type { Client } from '../oauth/client'
import { endOf } from '../oauth/token-expiry'
import { isNumber, isText, listOf, parseJSON } from '../store/decode'
import { parseGrantedScope } from '../scopes/scope'
import type { KeyRing, Sealer } from '../store/encryption'
import { TokenSet } from '../oauth/token-set'
import type { TokenStore } from '../store/token-store'

/** What is asked for: some scopes on one account. */
export interface AppTokenRequest {
  /** Tells app tokens apart: who asks, where, for which account and for which set of scopes. */
  readonly id: string
  readonly account: AccountName
  /** In order, each once. */
  readonly scope: readonly string[]
  /** The scope of the token request: that of the account, then the others. */
  readonly asked: readonly string[]
}

/** A request with the key of its answer. Order and repetition of the scopes do not matter. */
export function appTokenRequest(
  client: Client,
  account: AccountName,
  scopes: readonly string[],
): AppTokenRequest {
  const scope = [...new Set(scopes)].toSorted()
  const asked = [account.scope, ...scope]
  const parts = JSON.stringify([client.tokenURL, client.clientID, ...asked])
  return { id: hash(parts), account, scope, asked }
}

/** App tokens in the token store, sealed and bound to their keys. */
export class AppTokenVault {
  readonly #store: TokenStore
  readonly #sealer: Sealer

  constructor(store: TokenStore, keys: KeyRing) {
    this.#store = store
    this.#sealer = keys.sealer('app token')
  }

  /** The token as it is stored now. What cannot be opened or read counts as none. */
  async read(id: string): Promise<TokenSet | undefined> {
    return this.#open(id, await this.#store.get(keyOf(id)))
  }

  /** Puts a token in the place of what is there, until it expires. */
  async write(id: string, tokens: TokenSet): Promise<void> {
    const key = keyOf(id)
    const sealed = this.#sealer.seal(encode(tokens), key)
    const ttl = Math.max(endOf(tokens) - Date.now(), 1)
    // Before the token: one that is stored can be found by its value, too.
    const [current] = await Promise.all([
      this.#store.get(key),
      this.#store.create(indexKeyOf(tokens.accessToken), id, ttl),
    ])
    // The writer holds the lock; whoever came between wrote a token that is as good.
    if (current === undefined) await this.#store.create(key, sealed, ttl)
    else await this.#store.replace(key, current, sealed, ttl)
  }

  /** Removes this token, whichever process stored it and whatever it was requested for. */
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
