import type { IncomingMessage, ServerResponse } from 'node:http'
import { parse } from 'cookie'
import { unsign } from 'cookie-signature'
import { LRUMap } from '../async/lru-map'
import type { CookieSettings } from './session-options'

/** As many sessions as one process may serve at a time without verifying their cookies again. */
const mostVerified = 5_000

/** Reads the cookies of sessions. Each is verified once: it comes with every request, and a signature costs as much as a guard. */
export class SessionCookies {
  readonly #name: string
  readonly #secrets: readonly string[]
  /** Ids by whole signed values: to find one takes the whole value, however it is compared. */
  readonly #verified = new LRUMap<string, string>(mostVerified)

  constructor(name: string, secrets: readonly string[]) {
    this.#name = name
    this.#secrets = secrets
  }

  /** The id in a session's cookie, if express-session has signed it with one of the secrets. */
  idOf({ headers: { cookie } }: IncomingMessage): string | undefined {
    const value = cookie === undefined ? undefined : parse(cookie)[this.#name]
    if (value === undefined || !value.startsWith('s:')) return undefined
    const verified = this.#verified.get(value)
    if (verified !== undefined) return verified
    for (const secret of this.#secrets) {
      const id = unsign(value.slice(2), secret)
      if (id === false) continue
      this.#verified.set(value, id)
      return id
    }
    return undefined
  }
}

/** Takes the cookie from the browser, where there is a response to write to. */
export function clearCookie(res: ServerResponse, { name, path, domain, secure }: CookieSettings): void {
  if (typeof res.appendHeader !== 'function' || res.headersSent) return
  const attributes = [
    `Path=${path}`,
    'Max-Age=0',
    ...(secure ? ['Secure'] : []),
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
  ]
  res.appendHeader('Set-Cookie', `${name}=; ${attributes.join('; ')}`)
}

/**
 * A response with a session cookie is for one browser: a shared cache would give the session to every user. A browser that has the
 * cookie does not get it again, as express-session sends it for a session that was modified: a login may have replaced this
 * session meanwhile, and the old cookie would replace the new one.
 */
export function mindCookie(res: ServerResponse, cookieName: string, isHeld: () => boolean): void {
  // The upgrade of a connection may come without a response.
  if (typeof res.writeHead !== 'function') return
  const { writeHead } = res as { writeHead: (...args: unknown[]) => ServerResponse }
  // express-session adds its cookie at this very moment, before it calls what was here before.
  res.writeHead = (...args: unknown[]) => {
    const header = res.getHeader('Set-Cookie')
    if (header !== undefined) {
      const cookies = [header].flat().map(String)
      const others = cookies.filter((cookie) => !cookie.startsWith(`${cookieName}=`))
      if (others.length < cookies.length) {
        if (!isHeld()) res.setHeader('Cache-Control', 'no-store')
        else if (others.length > 0) res.setHeader('Set-Cookie', others)
        else res.removeHeader('Set-Cookie')
      }
    }
    return writeHead.apply(res, args)
  }
}
