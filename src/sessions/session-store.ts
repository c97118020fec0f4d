import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import session, { type SessionData } from 'express-session'
import { grantIDOf, sessionOf } from './session'
import { grantKey } from '../grants/grants'
import type { CheckedStore } from '../store/checked-token-store'
import { parseJSON } from '../store/decode'

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

/** What is known of a session that a request holds. */
interface State {
  /** As it is in the token store; undefined for one that was never there. */
  text?: string | undefined
  /** The sealed grant that was read with it; undefined when none was read. */
  grant?: { readonly sealed: string | undefined }
  /** What was written last, without the cookie. */
  written?: string
}

type Callback = (error?: unknown) => void

/** Where the state of a session is: on the object itself, as it lives as long, and no store writes symbols. */
const stateKey = Symbol('state')

/**
 * The drop-in's store for express-session, over any token store. It reads a session together with its grant, does not bring
 * back a session that was destroyed while a slow request held it, and writes no more than it has to. It extends a session
 * only when it is told to, by `extend`: neither writing nor express-session's `touch` does.
 */
export class SessionStore extends session.Store {
  readonly #store: CheckedStore
  readonly #idle: number
  readonly #report: (error: Error) => void
  #given: { readonly id: string; readonly record: SessionRecord } | undefined

  /**
   * @param idle milliseconds a new session lives
   * @param report takes what a callback of the app throws, so that it ends no process
   */
  constructor(store: CheckedStore, idle: number, report: (error: Error) => void) {
    super()
    this.#store = store
    this.#idle = idle
    this.#report = report
  }

  /** The sealed grant that was read together with the request's session; undefined when none was read. */
  grantReadWith(req: Request): { sealed: string | undefined } | undefined {
    return this.#stateOf(req.session).grant
  }

  /** Reads a session with its grant. */
  async read(id: string): Promise<SessionRecord> {
    const grantID = grantIDOf(id)
    const keys = grantID === undefined ? [sessionKey(id)] : [sessionKey(id), grantKey(grantID)]
    const [text, sealed] = await this.#store.getMany(keys)
    return { text, sealed }
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

  /**
   * Lets a session live on from now, if it still exists.
   *
   * @param ttl milliseconds
   */
  async extend({ id, text }: StoredSession, ttl: number): Promise<void> {
    const key = sessionKey(id)
    if (await this.#store.replace(key, text, text, ttl)) return
    const current = await this.#store.get(key)
    if (current !== undefined) await this.extend({ id, text: current }, ttl)
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
    const content = JSON.stringify(data, (key, value: unknown) => (key === 'cookie' ? undefined : value))
    const known = this.#stateOf(data)
    // express-session saves a regenerated session once more at the end of the response.
    if (known.written === content) return callback()
    const text = JSON.stringify(data)
    const written = this.#write(sessionKey(id), text, known.text, known.text !== undefined)
    this.#callBack(
      written.then(() => Object.assign(known, { text, written: content })),
      callback,
    )
  }

  /** At the end of each response; see `extend`. */
  override touch(_id: string, _data: SessionData, callback: Callback = () => {}): void {
    callback()
  }

  override destroy(id: string, callback: Callback = () => {}): void {
    this.#callBack(this.#store.delete(sessionKey(id)), callback)
  }

  /** A session that was never stored needs no deleting. */
  override regenerate(req: Request, callback: (error?: unknown) => unknown): void {
    const current = sessionOf(req)
    // An app may have taken the session off its request.
    if (!current || this.#stateOf(current).text !== undefined) return super.regenerate(req, callback)
    // express-session gives every store this method.
    const store = this as unknown as { generate(req: Request): void }
    store.generate(req)
    callback()
  }

  /**
   * Sessions have no versions: of two writers the last one wins, as everywhere with express-session.
   *
   * @param mustExist do not bring back one that has been deleted meanwhile
   */
  async #write(key: string, text: string, expected: string | undefined, mustExist: boolean): Promise<void> {
    const store = this.#store
    const isWritten =
      expected === undefined
        ? await store.create(key, text, this.#idle)
        : await store.replace(key, expected, text)
    if (isWritten) return
    const current = await store.get(key)
    if (current === undefined && mustExist) return
    await this.#write(key, text, current, mustExist)
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

function sessionKey(id: string): string {
  return `sess:${id}`
}

/** Undefined for what is not ours, or half written: the browser gets a new session. */
function parse(text: string): SessionData | undefined {
  const data = parseJSON(text) as SessionData | null | undefined
  return typeof data?.cookie === 'object' && data.cookie !== null ? data : undefined
}
