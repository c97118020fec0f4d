/**
 * Where grants, sessions, locks, app tokens and webhook marks are kept: four operations on strings, and a fifth that saves
 * round trips. `testTokenStore` of `passport-pagerduty/testing` tests a store of your own against what is said here.
 *
 * **Atomic.** Each operation takes effect as a whole: of two processes that create the same key, or replace the same value,
 * exactly one gets true. All processes see the result at once; a replica that lags behind must not be read.
 *
 * **Keys** have 1 to 300 characters of printable ASCII (U+0020 to U+007E), colons and spaces among them. **Values** are
 * well-formed Unicode without control characters (U+0000 to U+001F), and never empty. Most are encrypted, of 0.5 to 4 KB; no
 * value exceeds 256 KB, except sessions of `pd.auth()` that your app makes larger. Both are compared exactly: upper and
 * lower case, trailing spaces and the last character of the longest one count. A store does not interpret values.
 *
 * **Lifetimes** (`ttl`) are whole milliseconds, 1 to 34,560,000,000 (400 days): more than 32 bits hold. They begin when the
 * operation takes effect, by the clock of the store where processes on several machines share it. A value whose lifetime is
 * over does not exist, for any operation. The store reclaims its space: it is not deleted.
 *
 * **Failures.** An operation either resolves or rejects. Rejecting means "unknown": it may have taken effect, or may do so
 * later, but at most one second later, and once: a driver must not send a command again, or keep it in a queue until a
 * connection is back. Never resolve with undefined or false because of an error: it would be taken for a logout. Reject with any error; one
 * that is not a `TokenStoreError` is replaced by one, which has its class, `code` and stack but not its message, since
 * messages of databases repeat keys and values. What takes more than one second, or resolves with another type, counts as
 * rejected, so end connection attempts and retries before. Requests that need the store get 503 meanwhile; no user is
 * logged out.
 */
export interface TokenStore {
  /** The value of a key; undefined (and not null) where there is none. */
  get(key: string): Promise<string | undefined>

  /**
   * Reads several values in one round trip, each as `get` does, in the order of their keys. A store without it is asked by
   * several `get` at once.
   */
  getMany?(keys: readonly string[]): Promise<readonly (string | undefined)[]>

  /**
   * Stores a value only if the key has none.
   *
   * @param ttl milliseconds until the value expires
   * @returns whether it was stored
   */
  create(key: string, value: string, ttl: number): Promise<boolean>

  /**
   * Stores a value only if the key holds exactly `expected`. `value` may equal `expected`: then only the lifetime changes.
   *
   * @param ttl milliseconds from now until the value expires; undefined leaves the expiry unchanged
   * @returns whether it was stored
   */
  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean>

  /**
   * Deletes a value; given `expected`, only if it is exactly that.
   *
   * @returns whether a value was deleted
   */
  delete(key: string, expected?: string): Promise<boolean>
}
