import type { Context } from '../context'
import { tokensOf } from './grant-record'
import type { Grant, GrantRepository } from './grant-repository'
import { type PagerDutyUser, isSameUser } from '../user'
import { pause } from '../async/timeout'
import { TokenStoreError } from '../errors/errors'
import { revokeToken } from '../oauth/token-endpoint'
import type { PagerDutyEvents } from '../observability/event-types'

export type LogoutReason = PagerDutyEvents['logout'][0]['reason']

const revocationTimeout = 10_000
/** Milliseconds between two attempts to take back a login that the store failed. */
const retryInterval = 1_000
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

/**
 * Ends grants, and revokes their tokens. PagerDuty may count all logins of a user as one authorization. So while a browser
 * stays logged in, the tokens of its earlier logins are not revoked: the grant that replaces theirs takes them over, and they
 * are revoked with it.
 */
export class EndedGrants {
  readonly #context: Context
  readonly #repository: GrantRepository
  readonly #revokes: boolean
  #giveUpAt = Infinity

  /** @param revokes whether tokens are revoked at PagerDuty */
  constructor(context: Context, repository: GrantRepository, revokes: boolean) {
    this.#context = context
    this.#repository = repository
    this.#revokes = revokes
  }

  /** Ends a grant, or the one that replaced it: a logout may come with the session from before. */
  async end(id: string, reason: LogoutReason): Promise<void> {
    let ended: Grant | undefined
    try {
      for (;;) {
        const grant = await this.#repository.latest(id)
        if (grant === undefined) {
          await this.#repository.delete(id) // Also a value that cannot be decrypted.
          break
        }
        ended = grant
        if (await this.#repository.delete(grant.id, grant)) break
        // A refresh came in between, and its tokens have to be revoked; or the reply was lost, and the grant is gone.
      }
    } finally {
      // Also when the store failed: the user wants the tokens to end.
      if (ended !== undefined) this.revoke(tokensOf(ended.record))
    }
    if (ended !== undefined) this.#emitLogout(ended, reason)
  }

  /**
   * Ends a grant that another has replaced, unless it is kept. For two minutes, a refresh under way and a logout with the old
   * session find the new grant.
   *
   * @returns false when one of them was logged out or revoked meanwhile
   */
  async replace(id: string, successor: Grant): Promise<boolean> {
    for (;;) {
      const old = await this.#repository.latest(id)
      // Another callback of the login may have been first.
      if (old === undefined) return this.#repository.hasReplaced(id, successor.id)
      if (old.id === successor.id) return true
      if (old.record.isKept) return (await this.#repository.read(successor.id)) !== undefined
      const isSame = isSameUser(old.record.user, successor.record.user)
      if (isSame) {
        // First, so that each token is in at least one grant at any time.
        const holder = await this.#repository.attach(successor.id, tokensOf(old.record), undefined)
        if (holder?.id !== successor.id) return false
      }
      if (!(await this.#repository.forward(old, successor.id, isSame))) continue
      if (!isSame) this.revoke(tokensOf(old.record))
      this.#emitLogout(old, 'replaced')
      return true
    }
  }

  /**
   * Takes back the tokens of a login that failed, and its grant if there is one already. If the store fails, this goes on in the
   * background until it is back.
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
    const takeBack = () => this.#takeBack(id, tokens, user, heirs)
    try {
      await takeBack().catch(takeBack)
    } catch (error) {
      this.#context.events.emit('warning', { error: error as Error })
      this.#context.background.add(this.#retry(takeBack))
    }
  }

  /** From now on, retries end within half a minute. */
  close(): void {
    this.#giveUpAt = performance.now() + closingTimeout
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
    tokens: () => readonly string[],
    user: PagerDutyUser | undefined,
    heirsOf: () => Promise<Heirs>,
  ): Promise<void> {
    const { ids: all, replaced = all } = await heirsOf()
    const ids = all.filter((heir) => heir !== undefined).filter((heir) => heir !== id)
    for (;;) {
      const grant = await this.#repository.read(id)
      const left = grant === undefined ? tokens() : tokensOf(grant.record)
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
      if (holder === undefined) this.revoke(left)
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

  /** Revokes tokens in the background. */
  revoke(tokens: readonly string[]): void {
    if (!this.#revokes) return
    const { client, events, background } = this.#context
    for (const token of tokens) {
      background.add(
        revokeToken(client, token, revocationTimeout).catch((error: Error) => {
          events.emit('warning', { error })
        }),
      )
    }
  }

  #emitLogout({ id, record }: Grant, reason: LogoutReason): void {
    this.#context.events.emit('logout', { user: record.user, grantID: id, reason })
  }
}
