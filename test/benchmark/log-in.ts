import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Simulator, approve, defaultAccounts, defaultClient, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import type { AppProcess } from './app-process'

export const secret = 'a secret of thirty-two characters or more for a benchmark'

/** A simulator for PagerDuty, and what a client that goes by OpenID Connect to the letter needs besides. */
export interface Provider {
  simulator: Simulator
  /** What an app needs to know of it. */
  environment(program: string, redisURL?: string): Record<string, string>
  close(): Promise<void>
}

/** Ids of users who can log in beside those of the simulator's own accounts. */
export const crowd: readonly string[] = Array.from({ length: 500 }, (_, number) => `PCROWD${number}`)

const crowdedAccount = {
  ...{ id: 'PCROWD', name: 'Crowd', subdomain: 'crowd', region: 'us' as const },
  users: crowd.map((id) => ({ id, name: id, email: `${id}@crowd.example`, role: 'user' })),
}

const openIDApp = { ...defaultClient, clientID: 'openid-app' }

/**
 * Starts a provider. PagerDuty's id_tokens name another issuer than the location of its discovery document, which
 * express-openid-connect rejects; for that client alone they are made to match.
 */
export async function startProvider(): Promise<Provider> {
  const simulator = await startPagerDuty({
    clients: [defaultClient, openIDApp],
    accounts: [...defaultAccounts, crowdedAccount],
    echoNonce: true,
  })
  const found = await fetch(`${simulator.url}/global/oauth/anonymous/.well-known/openid-configuration`)
  const configuration = (await found.json()) as object
  const discovery = createServer((_req, res) => {
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ ...configuration, issuer }))
  })
  discovery.listen(0, '127.0.0.1')
  await once(discovery, 'listening')
  const issuer = `http://127.0.0.1:${(discovery.address() as AddressInfo).port}`
  simulator.settings.idTokenClaims = (claims) =>
    (claims['aud'] as string[]).includes(openIDApp.clientID)
      ? { ...claims, iss: issuer, aud: openIDApp.clientID, sub: claims['user_id'] }
      : claims
  return {
    simulator,
    environment: (program, redisURL = '') => ({
      ...simulator.env(program === 'express-openid-connect' ? openIDApp.clientID : defaultClient.clientID),
      OPENID_ISSUER: issuer,
      SESSION_SECRET: secret,
      REDIS_URL: redisURL,
    }),
    async close() {
      discovery.close()
      await simulator.close()
    },
  }
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

/** Logs a user in, and returns the cookies. */
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
