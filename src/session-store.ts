import type { Request } from 'express'
import session, { type SessionData } from 'express-session'
import { grantIDOf, sessionOf } from './grant-session'
import { parseJSON } from './json'
import type { SessionRecords } from './session-records'
import { Throttle } from './throttle'

/** What the store knows of a session that a request holds. */
interface State {
  /** When it was last extended, in milliseconds since the epoch; 0 for not yet, or not known. */
  extendedAt: number
  /** The sealed grant that was read with it; undefined when none was read. */
  grant?: { readonly sealed: string | undefined }
  /** There is one in the store, or was. */
  isStored: boolean
  /** What was written last, without the cookie. */
  written?: string
}

type Callback = (error?: unknown) => void

/**
 * The drop-in's store for express-session. It reads a session together with its grant, does not bring back a session
 * that was destroyed while a slow request held it, and writes no more than it has to.
 */
export class SessionStore extends session.Store {
  readonly #records: SessionRecords
  readonly #idle: number
  readonly #touches: Throttle
  readonly #touchInterval: number
  readonly #states = new WeakMap<object, State>()

  /** @param idle milliseconds a session lives after its last use */
  constructor(records: SessionRecords, idle: number, touchInterval: number) {
    super()
    this.#records = records
    this.#idle = idle
    this.#touches = new Throttle(touchInterval)
    this.#touchInterval = touchInterval
  }

  /** The sealed grant that was read together with the request's session; undefined when none was read. */
  grantReadWith(req: Request): { sealed: string | undefined } | undefined {
    return this.#stateOf(req.session).grant
  }

  /**
   * Whether some process has extended this session of late. One whose clock is far ahead does not keep the others from
   * doing it.
   */
  wasExtended(current: object): boolean {
    return Math.abs(Date.now() - this.#stateOf(current).extendedAt) < this.#touchInterval
  }

  /** What is written from now on tells that this session was extended. */
  noteExtended(current: object): void {
    this.#stateOf(current).extendedAt = Date.now()
  }

  override get(id: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    this.#records.read(id, grantIDOf(id)).then((record) => {
      const data = record.session === undefined ? undefined : parse(record.session)
      if (data !== undefined) {
        const { extendedAt, grant } = record
        this.#keep(data, { extendedAt, grant: { sealed: grant }, isStored: true })
      }
      callback(null, data)
    }, callback)
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
    this.#records.write(id, JSON.stringify(data), extendedAt, this.#idle, isStored).then(() => {
      Object.assign(known, { isStored: true, written: content })
      callback()
    }, callback)
  }

  /** A session with a grant is extended together with it, by sessionTokens. */
  override touch(id: string, data: SessionData, callback: Callback = () => {}): void {
    if (grantIDOf(id) !== undefined || this.wasExtended(data) || !this.#touches.take(id)) return callback()
    this.#records.extend(id, undefined, this.#idle).then(
      () => callback(),
      () => {
        this.#touches.undo(id)
        callback() // The answer is made already; the session merely ends earlier.
      },
    )
  }

  override destroy(id: string, callback: Callback = () => {}): void {
    this.#records.delete(id).then(() => callback(), callback)
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

  #stateOf(current: object): State {
    return this.#states.get(current) ?? this.#keep(current, { extendedAt: 0, isStored: false })
  }

  #keep(current: object, known: State): State {
    this.#states.set(current, known)
    return known
  }
}

/** Undefined for what is not ours, or half written: the browser gets a new session. */
function parse(text: string): SessionData | undefined {
  const data = parseJSON(text) as SessionData | null | undefined
  return typeof data?.cookie === 'object' && data.cookie !== null ? data : undefined
}
