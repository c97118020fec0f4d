import { type Simulator, approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { simulators } from '../support'
import { startProgram } from './app-process'

const { start } = simulators()

async function logIn(simulator: Simulator, decision?: 'deny') {
  const url = await startProgram('auth-js.mjs', simulator)
  const browser = new Browser()
  const { csrfToken } = (await (await browser.fetch(`${url}/auth/csrf`)).json()) as { csrfToken: string }
  const begun = await browser.fetch(`${url}/auth/signin/pagerduty`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ csrfToken }).toString(),
  })
  const callback = await approve(begun.headers.get('location') as string, { user: 'PACME02', decision })
  return { url, browser, finished: await browser.visit(callback) }
}

test('Auth.js logs in, calls and refreshes', async () => {
  const simulator = await start({ accessTokenLifetime: 30 })
  const { url, browser } = await logIn(simulator)
  simulator.settings.accessTokenLifetime = 3600
  const session = await (await browser.fetch(`${url}/auth/session`)).json()
  expect(session).toMatchObject({
    user: { name: 'PACME02' },
    access_token: simulator.newestAccessToken('PACME02'),
  })
  expect(await (await browser.fetch(`${url}/me`)).json()).toMatchObject({ user: { name: 'Ben Ruiz' } })
  expect(simulator.calls.token).toMatchObject({ authorization_code: 1, refresh_token: 1 })
})

test('Auth.js logs no user in with an expired code', async () => {
  const { finished, url, browser } = await logIn(await start({ codeLifetime: 0 }))
  expect(finished.headers.get('location')).toContain('/auth/error?error=')
  expect(await (await browser.fetch(`${url}/auth/session`)).json()).toBeNull()
})

test('Auth.js receives a denial', async () => {
  const { finished } = await logIn(await start(), 'deny')
  expect(finished.headers.get('location')).toContain('/auth/signin?error=OAuthCallbackError')
})
