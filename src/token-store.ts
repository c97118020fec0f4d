/**
 * Where grants, claims and locks are kept: four operations on opaque texts. Values arrive sealed; a store neither reads
 * nor changes them, and compares them only as a whole.
 *
 * Each operation is atomic, and settles quickly: it rejects rather than hang. A rejection means "unknown": the
 * operation may still have happened, or may happen later.
 */
export interface TokenStore {
  /** The value under the key, or undefined when there is none or its life is over. */
  get(key: string): Promise<string | undefined>

  /**
   * Stores a value only if the key has none.
   *
   * @param ttl milliseconds the value lives
   * @returns whether it was stored
   */
  create(key: string, value: string, ttl: number): Promise<boolean>

  /**
   * Stores a value only if the key holds exactly `expected` now. With `value` the same as `expected` it moves the end
   * of its life.
   *
   * @param ttl milliseconds the value lives from now on; left out, what is left of its life stays
   * @returns whether it was stored
   */
  replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean>

  /**
   * Removes the value, with `expected` only if it is exactly that.
   *
   * @returns whether something was removed
   */
  delete(key: string, expected?: string): Promise<boolean>
}
