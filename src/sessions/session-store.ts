import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request } from 'express'
import session, { type SessionData } from 'express-session'
import { sessionOf } from './session'
import type { CheckedStore } from '../store/checked-token-store'
import { type PreparedSession, PreparedSessions, contentOf } from './prepared-sessions'
import { type SessionRecord, SessionRecords, type StoredSession } from './session-records'
import { parseJSON } from '../store/decode'

/** What is known of a session that a request holds. */
interface State {
  /** As it is in the token store; undefined for one that was never there. */
  text?: string | undefined
  /** The sealed grant that was read with it; undefined when none was read. */
  grant?: { readonly sealed: string | undefined }
  /** What was written last, without the cookie. */
  written?: string
  prepared?: PreparedSession | undefined
}

type Callback = (error?: unknown) => void

/** Where the state of a session is: on the object itself, as it lives as long, and no store writes symbols. */
const stateKey = Symbol('state')

/**
 * The store of `pd.auth()` for express-session, over any token store. It reads a session together with its grant, does not
 * restore a session that was destroyed while a slow request held it, and writes no more than it has to. Only `extend` extends
 * a session: neither writing nor express-session's `touch` does.
 */
export class SessionStore extends session.Store {
  readonly #records: SessionRecords
  readonly #report: (error: Error) => void
  #given: { readonly id: string; readonly record: SessionRecord } | undefined
  readonly #prepared: PreparedSessions

  /**
   * @param idle milliseconds a new session lives
   * @param report takes what a callback of the app throws, so that it ends no process
   */
  constructor(store: CheckedStore, idle: number, report: (error: Error) => void) {
    super()
    this.#records = new SessionRecords(store, idle)
    this.#report = report
    this.#prepared = new PreparedSessions(this.#records, report)
  }

  /** The sealed grant that was read together with the request's session; undefined when none was read. */
  grantReadWith(req: Request): { sealed: string | undefined } | undefined {
    return this.#stateOf(req.session).grant
  }

  /** @see SessionRecords.read */
  read(id: string): Promise<SessionRecord> {
    return this.#records.read(id)
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

  /** The session on a request, if it is in the token store. */
  stored(req: IncomingMessage): StoredSession | undefined {
    const current = sessionOf(req)
    const text = current && this.#stateOf(current).text
    return text === undefined ? undefined : { id: current?.id as string, text }
  }

  /** @see SessionRecords.extend */
  extend(session: StoredSession, ttl: number): Promise<void> {
    return this.#records.extend(session, ttl)
  }

  /** Writes the session that a request is about to get before it is made: see {@link PreparedSessions}. */
  prepare(req: IncomingMessage, res: ServerResponse, id: string, data: SessionData): void {
    this.#prepared.prepare(req, res, id, data)
  }

  /** The id of a session about to be made: the prepared one, if that is of the same grant. */
  preparedID(req: IncomingMessage, id: string): string {
    return this.#prepared.of(req, id)?.id ?? id
  }

  override get(id: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    const given = this.#given
    this.#given = undefined
    if (given?.id === id) return callback(null, this.#dataOf(given.record))
    const found = this.read(id).then((record) => callback(null, this.#dataOf(record)))
    // express-session goes on with the request in this callback: what that throws is the request's failure as well.
    found.catch(callback).catch(this.#report)
  }

  override createSession(req: Request, data: SessionData): session.Session & SessionData {
    const created = super.createSession(req, data)
    this.#keep(created, this.#stateOf(data))
    return created
  }

  override set(id: string, data: SessionData, callback: Callback = () => {}): void {
    const content = contentOf(data)
    const known = this.#stateOf(data)
    // express-session saves a regenerated session once more at the end of the response.
    if (known.written === content) return callback()
    const text = JSON.stringify(data)
    const { prepared } = known
    const isAsPrepared = prepared?.is(data) === true
    const write = async () => {
      known.text = (await prepared?.takeStored()) ?? known.text
      const isWritten = isAsPrepared && known.text !== undefined
      if (!isWritten) await this.#records.write(id, text, known.text, known.text !== undefined)
      Object.assign(known, { text: isWritten ? known.text : text, written: content, prepared: undefined })
      if (prepared !== undefined) prepared.isOver = true
    }
    this.#callBack(write(), callback)
  }

  /** At the end of each response; see `extend`. */
  override touch(_id: string, _data: SessionData, callback: Callback = () => {}): void {
    callback()
  }

  override destroy(id: string, callback: Callback = () => {}): void {
    this.#callBack(this.#records.delete(id), callback)
  }

  /** A session that was never stored needs no deleting. */
  override regenerate(req: Request, callback: (error?: unknown) => unknown): void {
    const current = sessionOf(req)
    const regenerated = (error?: unknown) => {
      const prepared = this.#prepared.of(req, req.sessionID)
      if (prepared?.id === req.sessionID) this.#stateOf(req.session).prepared = prepared
      callback(error)
    }
    // An app may have taken the session off its request.
    if (!current || this.#stateOf(current).text !== undefined) return super.regenerate(req, regenerated)
    // express-session gives every store this method.
    const store = this as unknown as { generate(req: Request): void }
    store.generate(req)
    regenerated()
  }

  #dataOf({ text, sealed }: SessionRecord): SessionData | undefined {
    const data = text === undefined ? undefined : parse(text)
    if (data !== undefined) this.#keep(data, { text, grant: { sealed } })
    return data
  }

  #callBack(work: Promise<unknown>, callback: Callback): void {
    work.then(() => callback(), callback).catch(this.#report)
  }

  #stateOf(current: object): State {
    return (current as { [stateKey]?: State })[stateKey] ?? this.#keep(current, {})
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
