import type { PagerDutyUser } from './user'
import { isNumber, isText, listOf, parseJSON } from './json'
import type { KeyRing, Sealer } from './seal'
import type { TokenStore } from './token-store'

/** One grant of a user, and when its entry may be forgotten (milliseconds since the epoch). */
interface Entry {
  id: string
  until: number
}

const mostEntries = 200
const mostAttempts = 20

/** Which grants a user has, so that all of them can be found and ended. */
export class GrantIndex {
  readonly #store: TokenStore
  readonly #sealer: Sealer

  constructor(store: TokenStore, keys: KeyRing) {
    this.#store = store
    this.#sealer = keys.sealer('grant index')
  }

  /** The ids of the user's grants. Some of them may have ended. */
  async list(user: Pick<PagerDutyUser, 'accountID' | 'id'>): Promise<readonly string[]> {
    const key = keyOf(user)
    const sealed = await this.#store.get(key)
    return sealed === undefined ? [] : this.#open(sealed, key).map((entry) => entry.id)
  }

  /** Adds a grant, or moves the end of its entry. What has ended goes. */
  async add(user: Pick<PagerDutyUser, 'accountID' | 'id'>, id: string, until: number): Promise<void> {
    const key = keyOf(user)
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const sealed = await this.#store.get(key)
      const others = sealed === undefined ? [] : this.#open(sealed, key).filter((entry) => entry.id !== id)
      const entries = [...others, { id, until }].slice(-mostEntries)
      const value = this.#sealer.seal(JSON.stringify(entries.map((entry) => [entry.id, entry.until])), key)
      const ttl = Math.max(...entries.map((entry) => entry.until)) - Date.now()
      const isStored =
        sealed === undefined
          ? await this.#store.create(key, value, ttl)
          : await this.#store.replace(key, sealed, value, ttl)
      if (isStored) return
    }
  }

  #open(sealed: string, key: string): Entry[] {
    const text = this.#sealer.open(sealed, key)
    return text === undefined ? [] : decode(text).filter((entry) => entry.until > Date.now())
  }
}

/** The entries; none of them for what is not a whole list, as another version may have written. */
function decode(text: string): Entry[] {
  const entries = (listOf(parseJSON(text)) ?? []).map(entryOf)
  const whole = entries.filter((entry) => entry !== undefined)
  return whole.length === entries.length ? whole : []
}

function entryOf(written: unknown): Entry | undefined {
  const [id, until] = listOf(written) ?? []
  return isText(id) && isNumber(until) ? { id, until } : undefined
}

function keyOf({ accountID, id }: Pick<PagerDutyUser, 'accountID' | 'id'>): string {
  return `user:${accountID} ${id}`
}
