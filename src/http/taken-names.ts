import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

/** What others than Node put on a request or its session: an instance of such a name would replace it. */
const others = new Set(
  [
    // Express
    'accepts acceptsCharset acceptsCharsets acceptsEncoding acceptsEncodings acceptsLanguage acceptsLanguages',
    'app baseUrl fresh get header host hostname ip ips is next originalUrl param params path protocol query',
    'range res route secure stale subdomains xhr',
    // Parsers that Express apps use
    'body cookies file files rawBody secret signedCookies',
    // Passport
    'account authInfo flash isAuthenticated isUnauthenticated logIn login logOut logout passport user',
    // express-session, cookie-session
    'cookie id regenerate reload req resetMaxAge save session sessionID sessionOptions sessionStore touch',
  ].flatMap((names) => names.split(' ')),
)

/** Whether requests or sessions have a member of this name. */
export function isTaken(name: string): boolean {
  return others.has(name) || name in new IncomingMessage(new Socket())
}
