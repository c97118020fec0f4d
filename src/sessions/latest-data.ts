import type { IncomingMessage } from 'node:http'
import { passportUserIn, storedSession } from './passport-login'
import { type Session, sessionOf } from './session'

type Data = Readonly<Record<string, unknown>>

/**
 * Remembers the data of a request's session while the request does something that takes long. Then they are to go into another
 * session, and other requests may have written or ended this one meanwhile.
 *
 * @returns gives the data as other requests have left them, with what this one has changed; undefined where the session has ended
 * since, or its Passport login is another one
 */
export function rememberData(req: IncomingMessage): () => Promise<Data | undefined> {
  const found = sessionOf(req)
  const before = textsOf(found)
  const isLoggedIn = passportUserIn(found)
  return async () => {
    const session = sessionOf(req)
    const own = dataOf(session)
    // One that was never stored, or that the app has put in the place of the other meanwhile.
    if (session === undefined || session.id !== found?.id) return own
    const stored = await storedSession(req, session)
    if (stored === undefined) return before.size === 0 ? own : undefined
    if (passportUserIn(stored) !== isLoggedIn) return undefined
    const now = textsOf(session)
    const changed = [...new Set([...before.keys(), ...now.keys()])].filter(
      (name) => before.get(name) !== now.get(name),
    )
    const { cookie: _cookie, ...latest } = stored
    for (const name of changed) delete latest[name]
    const kept = Object.entries(own).filter(([name]) => changed.includes(name))
    return { ...latest, ...Object.fromEntries(kept) }
  }
}

/** Without the cookie, which each session has of its own. */
function dataOf(session: Session | undefined): Data {
  const { cookie: _cookie, ...data } = { ...session } as Record<string, unknown>
  return data
}

/** Each member as JSON, as far as that has it. */
function textsOf(session: Session | undefined): ReadonlyMap<string, string> {
  const texts = Object.entries(dataOf(session)).map(([name, value]) => [name, JSON.stringify(value)] as const)
  return new Map(texts.filter(([, text]) => text !== undefined))
}
