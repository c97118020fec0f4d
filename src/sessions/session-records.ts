import { grantKey } from '../grants/grants'
import type { CheckedStore } from '../store/checked-token-store'
import { grantIDOf } from './session'

/** A session and the grant that its id carries, as they are in the token store. */
export interface SessionRecord {
  /** The session as JSON. */
  readonly text: string | undefined
  /** The sealed grant; undefined also when the id carries none. */
  readonly sealed: string | undefined
}

/** A session that is in the token store, as it was read or written last. */
export interface StoredSession {
  readonly id: string
  readonly text: string
}

/** Sessions in a token store. */
export class SessionRecords {
  readonly #store: CheckedStore
  readonly #idle: number

  /** @param idle milliseconds a new session lives */
  constructor(store: CheckedStore, idle: number) {
    this.#store = store
    this.#idle = idle
  }

  /** Reads a session with its grant. */
  async read(id: string): Promise<SessionRecord> {
    const grantID = grantIDOf(id)
    const keys = grantID === undefined ? [keyOf(id)] : [keyOf(id), grantKey(grantID)]
    const [text, sealed] = await this.#store.getMany(keys)
    return { text, sealed }
  }

  /** Writes one that is not there yet. */
  create(id: string, text: string): Promise<boolean> {
    return this.#store.create(keyOf(id), text, this.#idle)
  }

  /**
   * Sessions have no versions: of two writers the last one wins, as everywhere with express-session.
   *
   * @param mustExist do not bring back one that has been deleted meanwhile
   */
  async write(id: string, text: string, expected: string | undefined, mustExist: boolean): Promise<void> {
    const isWritten =
      expected === undefined
        ? await this.create(id, text)
        : await this.#store.replace(keyOf(id), expected, text)
    if (isWritten) return
    const current = await this.#store.get(keyOf(id))
    if (current === undefined && mustExist) return
    await this.write(id, text, current, mustExist)
  }

  /**
   * Lets a session live on from now, if it still exists.
   *
   * @param ttl milliseconds
   */
  async extend({ id, text }: StoredSession, ttl: number): Promise<void> {
    if (await this.#store.replace(keyOf(id), text, text, ttl)) return
    const current = await this.#store.get(keyOf(id))
    if (current !== undefined) await this.extend({ id, text: current }, ttl)
  }

  delete(id: string): Promise<boolean> {
    return this.#store.delete(keyOf(id))
  }
}

function keyOf(id: string): string {
  return `sess:${id}`
}
