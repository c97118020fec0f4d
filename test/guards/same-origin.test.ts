import express from 'express'
import request from 'supertest'
import { requireSameOrigin } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn
const handled = jest.fn()

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator, {}, (express, pd) => {
    express.all('/change', pd.requireSameOrigin(), (_req, res) => {
      handled()
      res.json('done')
    })
  })
})
beforeEach(() => handled.mockReset())
afterAll(async () => {
  await app.close()
  await simulator.close()
})

async function statusOf(method: string, headers: Record<string, string>): Promise<number> {
  const response = await fetch(`${app.url}/change`, { method, headers })
  expect(handled).toHaveBeenCalledTimes(response.status === 200 ? 1 : 0)
  return response.status
}

describe('requireSameOrigin() lets through', () => {
  test.each([
    ['a form of this app', { 'Sec-Fetch-Site': 'same-origin' }],
    ['what the user asked the browser for', { 'Sec-Fetch-Site': 'none' }],
    ['a request of no browser', {}],
  ])('%s', async (_what, headers: Record<string, string>) => {
    expect(await statusOf('POST', headers)).toBe(200)
  })

  test('a form of this app in a browser that sends only Origin', async () => {
    expect(await statusOf('DELETE', { Origin: new URL(app.url).origin })).toBe(200)
  })

  test.each(['GET', 'HEAD', 'OPTIONS'])('a %s from anywhere, as it changes nothing', async (method) => {
    expect(await statusOf(method, { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' })).toBe(
      200,
    )
  })
})

describe('requireSameOrigin() denies', () => {
  test.each([
    ['a page of another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a page of a sibling subdomain', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://blog.example.com' }],
    ['a page of another site in a browser that sends only Origin', { Origin: 'https://evil.example' }],
    ['a page that hides its origin', { Origin: 'null' }],
  ])('%s', async (_what, headers: Record<string, string>) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) expect(await statusOf(method, headers)).toBe(403)
  })

  test.each([
    ['suffix', (origin: string) => `${origin}.evil.example`],
    ['user info', (origin: string) => origin.replace('://', '://evil.example@')],
    ['port', (origin: string) => origin.replace(/\d+$/, '1')],
    ['scheme', (origin: string) => origin.replace('http:', 'https:')],
    ['trailing dot', (origin: string) => origin.replace(/:(\d+)$/, '.:$1')],
  ])('an origin that looks like its own, by its %s', async (_by, change) => {
    expect(await statusOf('POST', { Origin: change(new URL(app.url).origin) })).toBe(403)
  })

  test('a foreign page that forges the Host header', async () => {
    const forged = { Origin: 'https://evil.example', 'X-Forwarded-Host': 'evil.example' }
    expect(await statusOf('POST', forged)).toBe(403)
  })

  test('with an error that names the origin to send it from', async () => {
    const response = await fetch(`${app.url}/change`, {
      method: 'POST',
      headers: { 'Sec-Fetch-Site': 'cross-site' },
    })
    expect(await response.json()).toMatchObject({ status: 403, code: 'ERR_PAGERDUTY_FOREIGN_ORIGIN' })
  })
})

describe('requireSameOrigin(options), for an app that mounts the individual middleware', () => {
  const guard = requireSameOrigin({
    callbackURL: 'https://app.example/auth/pagerduty/callback',
    trustedOrigins: 'https://spa.example',
  })
  const startGuarded = () => {
    const app = express()
    app.post('/change', guard, (_req, res) => res.json('done'))
    return request(app).post('/change')
  }

  test.each(['https://app.example', 'https://spa.example'])('lets a page of %s through', async (origin) => {
    expect((await startGuarded().set('Origin', origin)).status).toBe(200)
  })

  test('denies one of another origin', async () => {
    expect((await startGuarded().set('Origin', 'https://evil.example')).status).toBe(403)
  })

  test.each([
    [{}, '"callbackURL" is required'],
    [undefined, '"callbackURL" is required'],
    [{ callbackURL: 'https://app.example/callback', trustedOrigin: [] }, 'did you mean "trustedOrigins"?'],
    [
      { callbackURL: 'https://app.example/callback', trustedOrigins: '*' },
      '"trustedOrigins" must be a list of',
    ],
  ])('rejects %p at start-up', (options, message) => {
    expect(() => requireSameOrigin(options as never)).toThrow(message)
  })
})
