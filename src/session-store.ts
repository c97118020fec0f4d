import type { Request } from 'express'
import session, { type SessionData } from 'express-session'
import { grantIDOf } from './grant-session'
import { parseJSON } from './json'
import type { SessionRecord, SessionRecords } from './session-records'
import { Throttle } from './throttle'

const loaded = Symbol('loaded')

type Loaded = SessionData & { [loaded]?: SessionRecord }
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
  readonly #grants = new WeakMap<object, { sealed: string | undefined }>()
  readonly #extendedAt = new WeakMap<object, number>()
  readonly #stored = new WeakSet<object>()
  readonly #written = new WeakMap<object, string>()

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
    return this.#grants.get(req)
  }

  /**
   * Whether some process has extended this session of late. One whose clock is far ahead does not keep the others from
   * doing it.
   */
  wasExtended(current: object): boolean {
    return Math.abs(Date.now() - (this.#extendedAt.get(current) ?? 0)) < this.#touchInterval
  }

  /** What is written from now on tells that this session was extended. */
  noteExtended(current: object): void {
    this.#extendedAt.set(current, Date.now())
  }

  override get(id: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    this.#records.read(id, grantIDOf(id)).then((record) => {
      const data = record.session === undefined ? undefined : parse(record.session)
      callback(null, data && Object.assign(data, { [loaded]: record }))
    }, callback)
  }

  override createSession(req: Request, data: SessionData): session.Session & SessionData {
    const record = (data as Loaded)[loaded]
    const created = super.createSession(req, data)
    this.#stored.add(created)
    if (record !== undefined) {
      this.#grants.set(req, { sealed: record.grant })
      this.#extendedAt.set(created, record.extendedAt)
    }
    return created
  }

  override set(id: string, data: SessionData, callback: Callback = () => {}): void {
    const content = JSON.stringify(data, (key, value: unknown) => (key === 'cookie' ? undefined : value))
    // express-session saves a regenerated session once more at the end of the response.
    if (this.#written.get(data) === content) return callback()
    const extendedAt = this.#extendedAt.get(data) ?? 0
    this.#records.write(id, JSON.stringify(data), extendedAt, this.#idle, this.#stored.has(data)).then(() => {
      this.#stored.add(data)
      this.#written.set(data, content)
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
    if (this.#stored.has(req.session)) return super.regenerate(req, callback)
    // express-session gives every store this method.
    const store = this as unknown as { generate(req: Request): void }
    store.generate(req)
    callback()
  }
}

/** Undefined for what is not ours, or half written: the browser gets a new session. */
function parse(text: string): SessionData | undefined {
  const data = parseJSON(text) as SessionData | null | undefined
  return typeof data?.cookie === 'object' && data.cookie !== null ? data : undefined
}
