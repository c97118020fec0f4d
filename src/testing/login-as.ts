import { approve } from './approve'

/** As much of an agent of supertest as a login needs. */
export interface LoginAgent {
  get(path: string): PromiseLike<LoginAnswer> & {
    set(headers: Record<string, string>): PromiseLike<LoginAnswer>
  }
  /** Headers of each request of this agent from now on. */
  set(headers: Record<string, string>): unknown
}

/** As much of its response. */
export interface LoginAnswer {
  status: number
  headers: Record<string, unknown>
  text?: string | undefined
}

/** Who logs in, and where. */
export interface LoginAs {
  /** Id of a user of the simulator. @default 'PACME01' */
  user?: string | undefined
  /** Where the app begins a login. @default '/auth/pagerduty' */
  path?: string | undefined
  /** As that of `approve`. */
  fetch?: typeof globalThis.fetch | undefined
}

/**
 * Logs an agent of supertest in, as a user would: login path, consent at the simulator, callback, and the page after it. The app may listen
 * anywhere; where `callbackURL` is https, the agent goes on as a browser behind the proxy that terminates TLS.
 *
 * @example
 * const agent = await loginAs(request.agent(app), 'PACME01')
 * await agent.get('/incidents').expect(200)
 *
 * @param agent made by `request.agent(app)`, so that it keeps cookies
 * @param who a user's id, or more
 * @returns the agent
 * @throws {Error} the app does not begin a login, or does not end one, with what it says instead
 */
export async function loginAs<Agent extends LoginAgent>(
  agent: Agent,
  who: string | LoginAs = {},
): Promise<Agent> {
  const { user, path = '/auth/pagerduty', fetch } = typeof who === 'string' ? { user: who } : who
  // Harmless where the app is reached by http itself.
  const proxied = { 'X-Forwarded-Proto': 'https' }
  const begun = await agent.get(path).set(proxied)
  const authorizeURL = locationOf(begun, `${path} begins no login`)
  const callback = new URL(await approve(authorizeURL, { user, fetch }))
  const isSecure = callback.protocol === 'https:'
  const pending = { ...proxied, ...(isSecure && { Cookie: cookiesOf(begun) }) }
  const finished = await agent.get(callback.pathname + callback.search).set(pending)
  // An app may end a login with a page of its own, as for a popup.
  const home = finished.status < 300 ? '' : locationOf(finished, 'The login did not succeed')
  // Supertest speaks http, and keeps Secure cookies to itself.
  if (isSecure) agent.set({ ...proxied, Cookie: cookiesOf(finished) })
  // A login that no browser comes back with is forgotten after a minute.
  if (home.startsWith('/')) await agent.get(home)
  return agent
}

function locationOf({ status, headers, text }: LoginAnswer, problem: string): string {
  const { location } = headers
  if (typeof location === 'string') return location
  throw new Error(`${problem}: the app responded with ${status} ${(text ?? '').slice(0, 500)}`)
}

/** The cookies that are set, without those that are removed. */
function cookiesOf({ headers }: LoginAnswer): string {
  const lines = headers['set-cookie']
  const pairs = (Array.isArray(lines) ? lines : []).map((line) => String(line).split(';', 1)[0] as string)
  return pairs.filter((pair) => !pair.endsWith('=')).join('; ')
}
