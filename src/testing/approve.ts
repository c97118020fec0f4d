import { isURL, requireMembers, requireValue } from './rules'

/** What the user at the authorize page does. */
export interface Decision {
  /** Id of the user who logs in. @default 'PACME01' */
  user?: string | undefined
  /** @default 'allow' */
  decision?: 'allow' | 'deny' | undefined
  /** Replaces the global `fetch`: one that trusts the `certificate` of a simulator that speaks https. */
  fetch?: typeof globalThis.fetch | undefined
}

/** @internal Who has to exist. */
export const userHeader = 'x-simulator-user'

/**
 * Goes through the authorize page as a browser would, for tests without one, and returns the URL that the browser is
 * sent back to. Rejects where a user would be stuck on an error page.
 *
 * @example
 * const login = await request(app).get('/auth/pagerduty')
 * const callback = new URL(await approve(login.headers.location!, { user: 'PACME01' }))
 * await request(app).get(callback.pathname + callback.search).set('Cookie', cookies)
 */
export async function approve(authorizeURL: string | URL, decision: Decision = {}): Promise<string> {
  requireValue('authorizeURL', authorizeURL, [isURL, 'a whole URL'])
  requireMembers('approve()', decision, {
    user: 'a string or undefined',
    fetch: 'a function or undefined',
    decision: "'allow' or 'deny' or undefined",
  })
  const { user, decision: choice = 'allow', fetch = globalThis.fetch } = decision
  // So that a user who does not exist is rejected where no page is shown, or the decision is to deny.
  const headers: Record<string, string> = user === undefined ? {} : { [userHeader]: encodeURIComponent(user) }
  const shown = await fetch(authorizeURL, { redirect: 'manual', headers })
  // A faulty request, and a simulator with autoApprove, send the browser back without asking.
  if (shown.status === 302) return redirectTarget(shown)
  if (!shown.ok) throw new Error(await problemOf(shown))
  await shown.arrayBuffer()
  const body = new URLSearchParams({ user: user ?? 'PACME01', decision: choice })
  return redirectTarget(await fetch(authorizeURL, { method: 'POST', body, redirect: 'manual' }))
}

async function redirectTarget(answer: Response): Promise<string> {
  const location = answer.headers.get('location')
  if (location === null) throw new Error(await problemOf(answer))
  await answer.arrayBuffer()
  return location
}

async function problemOf(answer: Response): Promise<string> {
  const [, problem] = /id="problem">([^<]*)/.exec(await answer.text()) ?? []
  const text = problem?.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
  return `The authorize page responded with ${answer.status}: ${text ?? 'no explanation'}`
}
