import type { Context } from '../context'
import { tokensOf } from './grant-record'
import type { Grant, GrantRepository } from './grant-repository'
import { isSameUser } from '../user'
import { revokeToken } from '../oauth/token-endpoint'
import type { PagerDutyEvents } from '../observability/event-types'

export type LogoutReason = PagerDutyEvents['logout'][0]['reason']

const revocationTimeout = 10_000
/**
 * Ends grants, and revokes their tokens. PagerDuty may count all logins of a user as one authorization. So while a browser
 * stays logged in, the tokens of its earlier logins are not revoked: the grant that replaces theirs takes them over, and they
 * are revoked with it.
 */
export class EndedGrants {
  readonly #context: Context
  readonly #repository: GrantRepository
  readonly #revokes: boolean

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
   * @param take gets the tokens that the new grant takes over, before it has them
   * @returns false when one of them was logged out or revoked meanwhile
   */
  async replace(
    id: string,
    successor: Grant,
    take: (tokens: readonly string[]) => void = () => {},
  ): Promise<boolean> {
    for (;;) {
      const old = await this.#repository.latest(id)
      // Another callback of the login may have been first.
      if (old === undefined) return this.#repository.hasReplaced(id, successor.id)
      if (old.id === successor.id) return true
      if (old.record.isKept) return (await this.#repository.read(successor.id)) !== undefined
      const isSame = isSameUser(old.record.user, successor.record.user)
      if (isSame) {
        const tokens = tokensOf(old.record)
        take(tokens)
        // First, so that each token is in at least one grant at any time.
        const holder = await this.#repository.attach(successor.id, tokens, undefined)
        if (holder?.id !== successor.id) return false
      }
      if (!(await this.#repository.forward(old, successor.id, isSame))) continue
      if (!isSame) this.revoke(tokensOf(old.record))
      this.#emitLogout(old, 'replaced')
      return true
    }
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
