import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import session, { type SessionData } from 'express-session'
import { grantIDOf, heldIn, noteOvertaken, sessionOf } from './session'
import { parseJSON } from '../store/decode'
import type { ReadGrant, SessionRecord, SessionRecords } from './session-storage'
import { Throttle } from '../async/throttle'

/** What the store knows of a session that a request holds. */
interface State {
  /** When it was last extended, in milliseconds since the epoch; 0 for not yet, or not known. */
  extendedAt: number
  /** The sealed grant that was read with it; undefined when none was read. */
  grant?: { readonly sealed: string | undefined }
  /** The request that holds it does not extend it. */
  skipsTouch?: boolean
  /** There is one in the store, or was. */
  isStored: boolean
  /** What was written last, without the cookie. */
  written?: string
}

type Callback = (error?: unknown) => void

/** Where the state of a session is: on the object itself, as it lives as long, and no store writes symbols. */
const stateKey = Symbol('state')

/** Settings of a {@link SessionStore}. */
export interface SessionStoreOptions {
  /** Milliseconds a session lives after its last use. */
  readonly idle: number
  /** Milliseconds between two extensions of a session. */
  readonly touchInterval: number
  /** Whether the sealed grant that a session carries is one, and not the way to the one in its place. */
  readonly isGrant: (id: string, sealed: string | undefined) => boolean
  /** Takes what a callback of the app throws, so that it ends no process. */
  readonly report: (error: Error) => void
}

/**
 * The drop-in's store for express-session. It reads a session together with its grant, does not bring back a session
 * that was destroyed while a slow request held it, and writes no more than it has to.
 */
export class SessionStore extends session.Store {
  readonly #records: SessionRecords
  readonly #options: SessionStoreOptions
  readonly #touches: Throttle
  #given: { readonly id: string; readonly record: SessionRecord } | undefined

  constructor(records: SessionRecords, options: SessionStoreOptions) {
    super()
    this.#records = records
    this.#options = options
    this.#touches = new Throttle(options.touchInterval)
  }

  /** The sealed grant that was read together with the request's session; undefined when none was read. */
  grantReadWith(req: Request): { sealed: string | undefined } | undefined {
    return this.#stateOf(req.session).grant
  }

  /** Reads a session with its grant. */
  read(id: string): Promise<SessionRecord> {
    return this.#records.read(id, grantIDOf(id))
  }

  /** Has express-session find this record, which was read before, and calls back before it returns. */
  give(id: string, record: SessionRecord, find: () => void): void {
    this.#given = { id, record }
    try {
      find()
    } finally {
      this.#given = undefined
    }
  }

  /** The session on a request, and when it was last extended: milliseconds since the epoch, 0 for not yet. */
  held(req: IncomingMessage): { id: string; extendedAt: number } | undefined {
    const current = sessionOf(req)
    return current && { id: current.id, extendedAt: this.#stateOf(current).extendedAt }
  }

  /** The request that holds this session does not extend it. */
  skipTouch(current: object): void {
    this.#stateOf(current).skipsTouch = true
  }

  /** Whether a session in use is to be extended: once per interval, whichever process serves it. */
  isDue(id: string, extendedAt: number): boolean {
    // A process whose clock is far ahead does not keep the others from doing it.
    const isRecent = Math.abs(Date.now() - extendedAt) < this.#options.touchInterval
    return !isRecent && this.#touches.take(id)
  }

  /**
   * Extends a session that is due, with the grant it carries if that is given.
   *
   * @returns false when the grant has changed since it was read, and was not extended
   */
  async extend(current: object, id: string, ttl = this.#options.idle, grant?: ReadGrant): Promise<boolean> {
    try {
      const isUnchanged = await this.#records.extend(id, ttl, grant)
      // What is written from now on says that this session was extended.
      this.#stateOf(current).extendedAt = Date.now()
      return isUnchanged
    } catch (error) {
      this.#touches.undo(id)
      throw error
    }
  }

  override get(id: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    const given = this.#given
    this.#given = undefined
    if (given?.id === id) return callback(null, this.#dataOf(given.record))
    const found = this.read(id).then((record) => callback(null, this.#dataOf(record)))
    // express-session goes on with the request in this callback: what that throws is the request's failure as well.
    found.catch(callback).catch(this.#options.report)
  }

  override createSession(req: Request, data: SessionData): session.Session & SessionData {
    const created = super.createSession(req, data)
    this.#keep(created, this.#stateOf(data)).isStored = true
    return created
  }

  override set(id: string, data: SessionData, callback: Callback = () => {}): void {
    const content = JSON.stringify(data, (key, value: unknown) => (key === 'cookie' ? undefined : value))
    const known = this.#stateOf(data)
    // express-session saves a regenerated session once more at the end of the response.
    if (known.written === content) return callback()
    const { extendedAt, isStored } = known
    const grantID = grantIDOf(id)
    const ttl = isStored && known.skipsTouch ? undefined : this.#options.idle
    const written = this.#records
      .write(id, JSON.stringify(data), extendedAt, ttl, isStored)
      .then(async (grant) => {
        Object.assign(known, { isStored: true, written: content })
        const isAlone = Object.keys(heldIn(data as never).grants ?? {}).length === 1
        if (isStored || grantID === undefined || !isAlone || this.#options.isGrant(grantID, grant)) return
        // Another login has replaced the only grant: the browser has another session, or gets one.
        noteOvertaken(data)
        await this.#records.delete(id)
      })
    this.#callBack(written, callback)
  }

  /** At the end of each response. A session with a grant is extended together with it, by sessionTokens. */
  override touch(id: string, data: SessionData, callback: Callback = () => {}): void {
    const { grant, extendedAt, skipsTouch = false } = this.#stateOf(data)
    if (skipsTouch || grant?.sealed !== undefined || !this.isDue(id, extendedAt)) return callback()
    // The response is made already: when this fails, the session merely ends earlier.
    const touched = this.extend(data, id).catch(() => {})
    this.#callBack(touched, callback)
  }

  override destroy(id: string, callback: Callback = () => {}): void {
    this.#callBack(this.#records.delete(id), callback)
  }

  /** A session that was never stored needs no deleting. */
  override regenerate(req: Request, callback: (error?: unknown) => unknown): void {
    const current = sessionOf(req)
    // An app may have taken the session off its request.
    if (!current || this.#stateOf(current).isStored) return super.regenerate(req, callback)
    // express-session gives every store this method.
    const store = this as unknown as { generate(req: Request): void }
    store.generate(req)
    callback()
  }

  #dataOf({ session: text, extendedAt, grant }: SessionRecord): SessionData | undefined {
    const data = text === undefined ? undefined : parse(text)
    if (data !== undefined) this.#keep(data, { extendedAt, grant: { sealed: grant }, isStored: true })
    return data
  }

  #callBack(work: Promise<unknown>, callback: Callback): void {
    work.then(() => callback(), callback).catch(this.#options.report)
  }

  #stateOf(current: object): State {
    return (
      (current as { [stateKey]?: State })[stateKey] ?? this.#keep(current, { extendedAt: 0, isStored: false })
    )
  }

  #keep(current: object, state: State): State {
    Object.defineProperty(current, stateKey, { value: state, configurable: true })
    return state
  }
}

/** Undefined for what is not ours, or half written: the browser gets a new session. */
function parse(text: string): SessionData | undefined {
  const data = parseJSON(text) as SessionData | null | undefined
  return typeof data?.cookie === 'object' && data.cookie !== null ? data : undefined
}
