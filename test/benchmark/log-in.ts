import { type StandIn, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import type { AppProcess } from './app-process'

export const secret = 'a secret of thirty-two characters or more, for a benchmark'

/** A stand-in for PagerDuty that also suits clients which go by OpenID Connect to the letter. */
export function startProvider(): Promise<StandIn> {
  return startPagerDuty({
    echoNonce: true,
    idTokenClaims: (claims) => ({ ...claims, azp: 'stand-in-client' }),
  })
}

/** What an app needs to know of it. */
export function environment(standIn: StandIn, redisURL = ''): Record<string, string> {
  return { ...standIn.env(), SESSION_SECRET: secret, REDIS_URL: redisURL }
}

/** Where the browser of a new visitor is sent, as each kind of app does it. */
export async function begin(program: string, url: string, browser: Browser): Promise<string> {
  if (program !== 'auth-express') {
    return locationOf(await browser.visit(`${url}/auth/pagerduty`))
  }
  const { csrfToken } = (await (await browser.fetch(`${url}/auth/csrf`)).json()) as { csrfToken: string }
  const body = new URLSearchParams({ csrfToken }).toString()
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  return locationOf(await browser.fetch(`${url}/auth/signin/pagerduty`, { method: 'POST', headers, body }))
}

/** Logs somebody in, and returns the cookies. */
export async function logIn(program: string, app: AppProcess): Promise<string> {
  const browser = new Browser()
  const callback = await approve(await begin(program, app.url, browser))
  const finished = await browser.visit(callback)
  if (finished.status >= 400) throw new Error(`the login at ${program} ended with ${finished.status}`)
  return [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
}

function locationOf(answer: Response): string {
  const location = answer.headers.get('location')
  if (location === null) throw new Error(`the login began with ${answer.status}`)
  return location
}
