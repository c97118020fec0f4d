import { type Simulator, approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { simulators } from '../support'
import { startProgram } from './app-process'

const { start } = simulators()

async function connect(simulator: Simulator) {
  const url = await startProgram('better-auth.mjs', simulator)
  const browser = new Browser()
  const post = async (path: string, body: object) => {
    const headers = { 'Content-Type': 'application/json', Origin: url }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const answer = await browser.fetch(`${url}/api/auth/${path}`, init)
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const signIn = await post('sign-in/social', {
    provider: 'pagerduty',
    callbackURL: `${url}/in`,
    errorCallbackURL: `${url}/failed`,
  })
  const finish = async (decision?: 'deny') => {
    const callback = await approve(String(signIn.body['url']), { user: 'PACME02', decision })
    return (await browser.visit(callback)).headers.get('location')
  }
  return { url, browser, post, finish }
}

test('better-auth logs in and refreshes', async () => {
  const simulator = await start()
  const { url, browser, post, finish } = await connect(simulator)
  expect(await finish()).toBe(`${url}/in`)
  const session = await (await browser.fetch(`${url}/api/auth/get-session`)).json()
  expect(session).toMatchObject({ user: { name: 'Ben Ruiz', email: 'ben@acme.example' } })
  const accounts = (await (await browser.fetch(`${url}/api/auth/list-accounts`)).json()) as { id: string }[]
  const account = { accountId: accounts[0]?.id }
  const first = await post('get-access-token', account)
  expect(first.body).toMatchObject({
    accessToken: simulator.newestAccessToken('PACME02'),
  })
  const second = await post('refresh-token', account)
  expect(second.body).toMatchObject({
    accessToken: simulator.newestAccessToken('PACME02'),
    refreshToken: simulator.newestRefreshToken('PACME02'),
  })
  expect(simulator.calls.token.refresh_token).toBe(1)
  simulator.revokeAll()
  expect((await post('refresh-token', account)).status).toBe(400)
})

test('better-auth receives a denial, and its reason', async () => {
  const { url, finish } = await connect(await start())
  const location = new URL(String(await finish('deny')), url)
  expect(location.searchParams.get('error')).toBe('access_denied')
})
