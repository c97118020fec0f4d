import { LoginRequiredError, UnauthorizedError } from '../errors/errors'
import type { Grant, UserGrants } from './grants'

// No doc comment, as that would be published: a grant that a request or a job holds. It is replaced by what a refresh makes of it,
// and dropped once PagerDuty has ended it.
export class HeldGrant {
  readonly #grants: UserGrants
  #held: Grant | undefined

  /** @internal */
  constructor(grants: UserGrants, grant: Grant | undefined) {
    this.#grants = grants
    this.#held = grant
  }

  /** Those of its instance. @internal */
  get grants(): UserGrants {
    return this.#grants
  }

  /** As it was read, or refreshed last. A method, because who inspects an object calls its getters, and this has tokens. @internal */
  protected held(): Grant | undefined {
    return this.#held
  }

  /** @internal */
  protected requireHeld(): Grant {
    if (this.#held === undefined) throw new UnauthorizedError()
    return this.#held
  }

  /** Makes sure that the grant is still valid at PagerDuty: at once while the token is, else by a refresh. @internal */
  confirm(): void | Promise<void> {
    const fresh = this.#grants.ensureFresh(this.requireHeld())
    if (fresh instanceof Promise) return this.#tokenOf(fresh).then(() => {})
    this.#held = fresh
  }

  /**
   * An access token that stays valid for so many milliseconds; another one than `rejected`, if given, which the API rejected.
   *
   * @internal
   */
  protected async token(rejected?: string, minValidity?: number): Promise<string> {
    const held = this.requireHeld()
    return this.#tokenOf(
      rejected === undefined
        ? this.#grants.ensureFresh(held, minValidity)
        : this.#grants.replaceRejected(held, rejected),
    )
  }

  /** Replaces the grant with that of another login. @internal */
  adopt(grant: Grant): void {
    this.#held = grant
  }

  /** @internal */
  protected drop(): void {
    this.#held = undefined
  }

  async #tokenOf(grant: Grant | Promise<Grant>): Promise<string> {
    try {
      this.#held = await grant
    } catch (error) {
      if (error instanceof LoginRequiredError) this.drop()
      throw error
    }
    return this.#held.record.tokens.accessToken
  }
}
