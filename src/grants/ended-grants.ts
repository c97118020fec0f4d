import type { Context } from '../context'
import { tokensOf } from './grant-record'
import type { Grant, GrantVault } from './grant-repository'
import { type PagerDutyUser, isSameUser } from '../user'
import { revokeToken } from '../oauth/token-endpoint'

const revocationTimeout = 10_000

/** Grants that tokens may go along with. */
export interface Heirs {
  readonly ids: readonly (string | undefined)[]
  /** Whether there can be no others. */
  readonly isAll: boolean
  /**
   * Those of them that another callback may have put the grant in the place of, so that the login did come about; all of
   * them where this is left out. Others that lead to the grant itself are logins that failed as well.
   */
  readonly replaced?: readonly (string | undefined)[]
}

/**
 * What becomes of grants that end, and of their tokens. PagerDuty may count all logins of a user as one authorization. So
 * while a browser stays logged in, nothing is revoked that came of an earlier login in it: it goes along with the grant that
 * takes its place, and is revoked with that one.
 */
export class EndedGrants {
  readonly #context: Context
  readonly #vault: GrantVault
  readonly #revokes: boolean

  /** @param revokes whether PagerDuty is asked to revoke tokens */
  constructor(context: Context, vault: GrantVault, revokes: boolean) {
    this.#context = context
    this.#vault = vault
    this.#revokes = revokes
  }

  /** Ends a grant, or the one that took its place: a logout may come with the session of a moment ago. */
  async end(id: string): Promise<void> {
    let ended: Grant | undefined
    try {
      for (;;) {
        const grant = await this.#vault.latest(id)
        if (grant === undefined) {
          await this.#vault.delete(id) // What cannot be opened goes as well.
          break
        }
        ended = grant
        if (await this.#vault.delete(grant.id, grant)) break
        // A refresh came between, and its pair is the one to revoke; or the reply was lost, and it is gone already.
      }
    } finally {
      // Also when the store did not say whether it is gone: it is not wanted any more.
      if (ended !== undefined) this.revoke(tokensOf(ended.record))
    }
    if (ended !== undefined) this.#emitLogout(ended)
  }

  /**
   * Ends a grant in whose place another has come, unless it is kept. A refresh that is on its way, and a logout with the old
   * session, find the new grant for two minutes.
   *
   * @returns false when one of them is not there: it was logged out or revoked meanwhile
   */
  async replace(id: string, successor: Grant): Promise<boolean> {
    for (;;) {
      const old = await this.#vault.latest(id)
      if (old === undefined) return false
      if (old.id === successor.id) return true
      if (old.record.isKept) return (await this.#vault.read(successor.id)) !== undefined
      const isSame = isSameUser(old.record.user, successor.record.user)
      if (isSame) {
        // First: a grant whose tokens go with another may still be there, but no token may be with none.
        const holder = await this.#vault.attach(successor.id, tokensOf(old.record), undefined)
        if (holder?.id !== successor.id) return false
      }
      const isOver = isSame
        ? await this.#vault.forward(old, successor.id)
        : await this.#vault.delete(old.id, old)
      if (!isOver) continue
      if (!isSame) this.revoke(tokensOf(old.record))
      this.#emitLogout(old)
      return true
    }
  }

  /**
   * Takes back what came of a login that does not come about: its tokens, and its grant if there is one already.
   *
   * @param tokens what the login brought
   * @param user whose they are, if that is known
   * @param heirs the grants that its browser holds, or gets by logins at the same time. The tokens go with the first one that
   * is, or may be, of the same user; where there is none, they are revoked
   */
  async withdraw(
    id: string,
    tokens: readonly string[],
    user: PagerDutyUser | undefined,
    heirs: Heirs | Promise<Heirs>,
  ): Promise<void> {
    const { ids, isAll, replaced = ids } = await heirs
    const others = ids.filter((heir) => heir !== undefined).filter((heir) => heir !== id)
    const takeBack = () => this.#takeBack(id, tokens, user, { ids: others, isAll, replaced })
    try {
      // Once more: a grant that nobody takes back ends by itself within a minute, and then nobody knows its tokens.
      await takeBack().catch(takeBack)
    } catch (error) {
      // Tokens are revoked only where that can log nobody out.
      if (isAll && others.length === 0) this.revoke(tokens)
      this.#context.events.emit('warning', { error: error as Error })
    }
  }

  async #takeBack(
    id: string,
    tokens: readonly string[],
    user: PagerDutyUser | undefined,
    { ids, isAll, replaced }: Required<Heirs> & { ids: readonly string[] },
  ): Promise<void> {
    for (;;) {
      const grant = await this.#vault.read(id)
      const left = grant === undefined ? tokens : tokensOf(grant.record)
      const heirs: string[] = []
      for (const heir of ids) {
        if ((await this.#vault.latest(heir))?.id !== id) heirs.push(heir)
        // Another callback of the same login has put it in the place of the heir: it did come about.
        else if (replaced.includes(heir)) return
      }
      const holder = await this.#entrust(heirs, left, user)
      // One of them has led its tokens here meanwhile.
      if (holder?.id === id) continue
      const isGone =
        grant === undefined ||
        (holder ? await this.#vault.forward(grant, holder.id) : await this.#vault.delete(id, grant))
      if (!isGone) continue
      if (holder === undefined && isAll) this.revoke(left)
      return
    }
  }

  /** Lets tokens go along with the first of these grants that takes them. */
  async #entrust(
    heirs: readonly string[],
    tokens: readonly string[],
    user: PagerDutyUser | undefined,
  ): Promise<Grant | undefined> {
    for (const heir of heirs) {
      const holder = await this.#vault.attach(heir, tokens, user)
      if (holder !== undefined) return holder
    }
    return undefined
  }

  /** Asks PagerDuty in the background to revoke tokens that are not needed any more. */
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

  #emitLogout({ id, record }: Grant): void {
    this.#context.events.emit('logout', { user: record.user, grantID: id })
  }
}
