import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SessionData } from 'express-session'
import { pause } from '../async/timeout'
import { grantIDOf } from './session'
import type { SessionRecords } from './session-records'

/** Milliseconds after which a store no longer executes what it was asked to. */
const mostLate = 1_000

/** A session that is being written before it is made. */
export class PreparedSession {
  readonly id: string
  /** It was saved, or is removed. */
  isOver = false
  readonly #content: string
  /** An app may have changed those of the session from before the login. */
  readonly #attributes: string
  #stored: Promise<string | undefined> | undefined

  constructor(id: string, data: SessionData, stored: Promise<string | undefined>) {
    this.id = id
    this.#content = contentOf(data)
    this.#attributes = attributesOf(data)
    this.#stored = stored
  }

  /** Once, what is in the store; undefined where that is another value. If it rejects, the session has to be written. */
  takeStored(): Promise<string | undefined> | undefined {
    const stored = this.#stored
    this.#stored = undefined
    return stored
  }

  /** Whether it says what a session says. */
  is(data: SessionData): boolean {
    return this.#content === contentOf(data) && this.#attributes === attributesOf(data)
  }
}

/**
 * The sessions that requests are about to get when theirs are regenerated. They are written in advance, so that the request
 * does not wait for it. No one knows such an id before the response; one that is not used is removed after the response.
 */
export class PreparedSessions {
  readonly #records: SessionRecords
  readonly #report: (error: Error) => void
  readonly #prepared = new WeakMap<IncomingMessage, PreparedSession>()

  constructor(records: SessionRecords, report: (error: Error) => void) {
    this.#records = records
    this.#report = report
  }

  /** Begins to write one. */
  prepare(req: IncomingMessage, res: ServerResponse, id: string, data: SessionData): void {
    // The browser has gone.
    if (res.closed) return
    const text = JSON.stringify(data)
    const stored = this.#records.create(id, text).then((isStored) => (isStored ? text : undefined))
    stored.catch(() => {})
    const prepared = new PreparedSession(id, data, stored)
    this.#prepared.set(req, prepared)
    res.once('close', () => {
      if (prepared.isOver) return
      prepared.isOver = true
      const remove = () => this.#records.delete(id)
      // What failed may still be stored.
      stored.then(remove, () => pause(mostLate).then(remove)).catch(this.#report)
    })
  }

  /** The one with this id, or with the same grant in its id. */
  of(req: IncomingMessage, id: string): PreparedSession | undefined {
    const prepared = this.#prepared.get(req)
    return prepared?.isOver === false && grantIDOf(prepared.id) === grantIDOf(id) ? prepared : undefined
  }
}

/** What a session says, without its cookie. */
export function contentOf(data: SessionData): string {
  return JSON.stringify({ ...data, cookie: undefined })
}

/** The cookie's attributes, without its expiry. */
function attributesOf({ cookie }: SessionData): string {
  return JSON.stringify({ ...(JSON.parse(JSON.stringify(cookie)) as object), expires: undefined })
}
