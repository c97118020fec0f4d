import { withinDeadline } from '../async/timeout'
import { requireTypes } from '../errors/known-members'
import { ConfigurationError, TokenStoreError } from '../errors/errors'
import { MemoryTokenStore } from './memory-token-store'
import { PostgresTokenStore } from './postgres-token-store'
import { RedisTokenStore } from './redis-token-store'
import { SQLiteTokenStore } from './sqlite-token-store'
import { storeFailure } from './store-failure'
import type { TokenStore } from './token-store'

/** Milliseconds that an operation of a given store may take. */
const timeout = 1_000

/** A store with all operations. */
export type CheckedStore = Required<TokenStore>

const ours = [MemoryTokenStore, SQLiteTokenStore, PostgresTokenStore, RedisTokenStore]

const checked = new WeakMap<TokenStore, CheckedStore>()

/**
 * Enforces the contract of {@link TokenStore}: an operation that fails in any way, takes more than a second or resolves with
 * the wrong type becomes a `TokenStoreError`, so that it counts as unknown and never as "no".
 *
 * The same store always returns the same object, since the components of one app share the locks they hold in it.
 *
 * @throws {ConfigurationError} the store lacks an operation
 */
export function checkedTokenStore(store: TokenStore): CheckedStore {
  const known = checked.get(store)
  if (known !== undefined) return known
  for (const operation of ['get', 'create', 'replace', 'delete'] as const) {
    if (typeof store[operation] === 'function') continue
    throw new ConfigurationError(
      'tokenStore',
      `has no method ${operation}()`,
      'It must have get, create, replace and delete; try it with testTokenStore of passport-pagerduty/testing.',
    )
  }
  requireTypes(store, { getMany: 'function' }, 'tokenStore.')
  const made = new CheckedTokenStore(store)
  checked.set(store, made)
  checked.set(made, made)
  return made
}

class CheckedTokenStore implements CheckedStore {
  readonly #store: TokenStore
  readonly #timeout: number | undefined

  constructor(store: TokenStore) {
    this.#store = store
    // Ours keep the deadline themselves, or need none.
    this.#timeout = ours.some((Store) => store instanceof Store) ? undefined : timeout
  }

  async get(key: string): Promise<string | undefined> {
    // An app may look up a grant by an id from a request, which may not be a valid key.
    if (!isKey(key)) return undefined
    return this.#run('get', () => this.#store.get(key), isOptionalString)
  }

  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const store = this.#store
    if (typeof store.getMany !== 'function' || !keys.every(isKey)) {
      return Promise.all(keys.map((key) => this.get(key)))
    }
    const isValid = (values: unknown) =>
      Array.isArray(values) && values.length === keys.length && values.every(isOptionalString)
    return this.#run('getMany', () => (store as CheckedStore).getMany(keys), isValid)
  }

  create(key: string, value: string, ttl: number): Promise<boolean> {
    return this.#run('create', () => this.#store.create(key, value, lifetime(ttl)), isBoolean)
  }

  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const left = ttl === undefined ? undefined : lifetime(ttl)
    return this.#run('replace', () => this.#store.replace(key, expected, value, left), isBoolean)
  }

  delete(key: string, expected?: string): Promise<boolean> {
    return this.#run('delete', () => this.#store.delete(key, expected), isBoolean)
  }

  async #run<T>(
    operation: string,
    work: () => Promise<T>,
    isValid: (result: unknown) => boolean,
  ): Promise<T> {
    let result: T
    try {
      // The store may throw, or return no promise.
      const pending = Promise.resolve(work())
      result = await (this.#timeout === undefined
        ? pending
        : withinDeadline(pending, this.#timeout, () => timedOut(operation)))
    } catch (error) {
      throw storeFailure(`${operation}() of the token store`, error)
    }
    if (isValid(result)) return result
    const type = result === null ? 'null' : typeof result
    const what = Array.isArray(result) ? 'other than one string or undefined per key' : `of type ${type}`
    throw new TokenStoreError(`${operation}() of the token store must not resolve with a value ${what}`)
  }
}

function isKey(key: string): boolean {
  return /^[ -~]{1,300}$/.test(key)
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isOptionalString(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

/** Whole milliseconds, at least one, as the contract promises. */
function lifetime(ttl: number): number {
  return Math.max(Math.ceil(ttl), 1)
}

function timedOut(operation: string): TokenStoreError {
  return new TokenStoreError(`${operation}() of the token store did not settle within ${timeout} ms`)
}
