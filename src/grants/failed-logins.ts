import { pause } from '../async/timeout'
import type { Context } from '../context'
import { TokenStoreError } from '../errors/errors'
import type { PagerDutyUser } from '../user'
import type { EndedGrants } from './ended-grants'
import type { GrantIndex } from './grant-index'
import { unpresentedFor } from './grant-options'
import { tokensOf } from './grant-record'
import { type Grant, type GrantRepository, isPresented } from './grant-repository'

/** Milliseconds between two attempts to take back a login that the store failed. */
const retryInterval = 1_000
/** Milliseconds after which a new grant that no session has presented is ended: before it expires, and its tokens are lost. */
const presentedWithin = unpresentedFor - 5_000
/** Milliseconds for which a closing process retries. */
const closingTimeout = 30_000

/** Grants that may take over tokens, to revoke them when they end. */
export interface Heirs {
  readonly ids: readonly (string | undefined)[]
  /**
   * Those of them that another callback may have replaced with the grant, so that the login succeeded; all of them where this
   * is left out. Others that lead to the grant itself are logins that failed too.
   */
  readonly replaced?: readonly (string | undefined)[]
}

/** Takes back the tokens of logins that failed, or that no browser presents. */
export class FailedLogins {
  readonly #context: Context
  readonly #repository: GrantRepository
  readonly #index: GrantIndex
  readonly #ended: EndedGrants
  readonly #timers = new Set<NodeJS.Timeout>()
  #giveUpAt = Infinity

  constructor(context: Context, repository: GrantRepository, index: GrantIndex, ended: EndedGrants) {
    this.#context = context
    this.#repository = repository
    this.#index = index
    this.#ended = ended
  }

  /**
   * Takes back the tokens of a login that failed, and its grant if there is one already. If the store fails, this goes on in the
   * background until it is back; then any grant of the user may take over the tokens.
   *
   * @param tokens what the login brought, for a grant that is not stored
   * @param user of the tokens, if known
   * @param heirs the grants that its browser holds, or gets by concurrent logins. The first one that is, or may be, of the same
   * user takes over the tokens; where there is none, they are revoked
   */
  async withdraw(
    id: string,
    tokens: () => readonly string[],
    user: PagerDutyUser | undefined,
    heirs: () => Promise<Heirs>,
  ): Promise<void> {
    let isLate = false
    const takeBack = async () => {
      const { ids, replaced = ids } = await heirs()
      // The browser may have logged in again, or the grant that took the place of an heir cannot be found any more.
      const more = isLate && user !== undefined ? (await this.#index.list(user)).toReversed() : []
      return this.#takeBack(id, tokens(), user, { ids: [...ids, ...more], replaced })
    }
    try {
      await takeBack().catch(takeBack)
    } catch (error) {
      this.#context.events.emit('warning', { error: error as Error })
      isLate = true
      this.#context.background.add(this.#retry(takeBack))
    }
  }

  /** Ends a new grant and revokes its tokens, unless a session presents it in time: no browser may have the session. */
  expectPresentation({ id, record: { user } }: Grant): void {
    if (this.#giveUpAt !== Infinity) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      const ended = this.#endUnpresented(id, user)
      this.#context.background.add(
        ended.catch((error: Error) => this.#context.events.emit('warning', { error })),
      )
    }, presentedWithin).unref()
    this.#timers.add(timer)
  }

  /** From now on, retries end within half a minute, and new grants just expire. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#giveUpAt = performance.now() + closingTimeout
  }

  async #endUnpresented(id: string, user: PagerDutyUser): Promise<void> {
    const grant = await this.#repository.read(id)
    // First: a session that presents it at this moment keeps it, and its tokens.
    if (grant === undefined || isPresented(grant) || !(await this.#repository.delete(id, grant))) return
    const tokens = tokensOf(grant.record)
    const holder = await this.#entrust((await this.#index.list(user)).toReversed(), tokens, user)
    if (holder === undefined) this.#ended.revoke(tokens)
  }

  async #retry(work: () => Promise<void>): Promise<void> {
    while (performance.now() < this.#giveUpAt) {
      await pause(retryInterval)
      try {
        return await work()
      } catch {
        // It was a warning the first time.
      }
    }
    const message =
      'The tokens of a login that failed were not revoked: the store did not work until this process ended'
    this.#context.events.emit('warning', { error: new TokenStoreError(message) })
  }

  async #takeBack(
    id: string,
    tokens: readonly string[],
    user: PagerDutyUser | undefined,
    { ids: all, replaced }: Required<Heirs>,
  ): Promise<void> {
    const ids = all.filter((heir) => heir !== undefined).filter((heir) => heir !== id)
    for (;;) {
      const grant = await this.#repository.read(id)
      const left = grant === undefined ? tokens : tokensOf(grant.record)
      const heirs: string[] = []
      for (const heir of ids) {
        if ((await this.#repository.latest(heir))?.id !== id) heirs.push(heir)
        // Another callback of the same login has replaced the heir with it: the login succeeded.
        else if (replaced.includes(heir)) return
      }
      const holder = await this.#entrust(heirs, left, user)
      // An heir was replaced with this grant meanwhile.
      if (holder?.id === id) continue
      const isGone =
        grant === undefined ||
        (holder ? await this.#repository.forward(grant, holder.id) : await this.#repository.delete(id, grant))
      if (!isGone) continue
      if (holder === undefined) this.#ended.revoke(left)
      return
    }
  }

  /** The first of these grants that takes the tokens over. */
  async #entrust(
    heirs: readonly string[],
    tokens: readonly string[],
    user: PagerDutyUser | undefined,
  ): Promise<Grant | undefined> {
    for (const heir of heirs) {
      const holder = await this.#repository.attach(heir, tokens, user)
      if (holder !== undefined) return holder
    }
    return undefined
  }
}
