import express, { type RequestHandler } from 'express'
import session from 'express-session'
import { type PagerDuty, pagerduty } from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'
import { secret } from '../support/passport-app'

const owner = { accountID: 'PACME00', userID: 'PACME01' }
const ofTheApp = session({ secret, resave: false, saveUninitialized: false })

let simulator: Simulator
let app: RunningApp
let instances: PagerDuty[]
let browser: Browser
let warnings: string[]

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterAll(() => simulator.close())
afterEach(async () => {
  await Promise.all(instances.map((pd) => pd.close()))
  await app.close()
})

/** An app with these in front of a sub-app at `/sub`, which has `pd.auth()`; without `before` it comes first. */
async function start(before: RequestHandler[], names = ['pagerduty']): Promise<void> {
  warnings = []
  browser = new Browser()
  app = await serve((main, url) => {
    const sub = express()
    instances = names.map((name) =>
      pagerduty({
        ...simulator.options(),
        name,
        scope: 'incidents.read',
        callbackURL: `${url}/sub/auth/${name}/callback`,
        logger: { warn: (message) => warnings.push(message) },
      }),
    )
    sub.use(instances.map((pd) => pd.auth()))
    sub.get('/me', (req, res) => void res.json(req.pagerduty.user?.id ?? null))
    if (before.length > 0) main.use(before)
    main.use('/sub', sub)
    main.use(ofTheApp)
    main.post('{/sub}/destroy', (req, res) => req.session.destroy(() => res.end()))
  })
}

async function logIn(name = 'pagerduty'): Promise<void> {
  const begun = await browser.visit(`${app.url}/sub/auth/${name}`)
  await browser.visit(await approve(begun.headers.get('location') as string))
}
const user = async () => (await browser.fetch(`${app.url}/sub/me`)).json()
const grants = async () => (await instances[0]?.grants.list(owner))?.length
const destroy = (path: string) => browser.fetch(`${app.url}${path}/destroy`, { method: 'POST' })

describe('pd.auth() behind a session middleware of the app', () => {
  test('keeps logins in its sessions, and warns once of what that means', async () => {
    await start([ofTheApp])
    await logIn()
    expect(await user()).toBe('PACME01')
    expect([...browser.cookies.keys()]).toEqual(['connect.sid'])
    expect(warnings).toEqual([expect.stringMatching(/^pd\.auth\(\) comes after another session middleware/)])
  })

  test('ends the grant with the session where it has run, and as the warning says, nowhere else', async () => {
    await start([ofTheApp])
    await logIn()
    await destroy('')
    expect([await user(), await grants()]).toEqual([null, 1])
    await logIn()
    await destroy('/sub')
    expect([await user(), await grants()]).toEqual([null, 1])
  })
})

test('pd.auth() in front of a session middleware of the app has its own sessions, and nothing to warn of', async () => {
  await start([])
  await logIn()
  expect(await user()).toBe('PACME01')
  expect([...browser.cookies.keys()]).toEqual(['pagerduty'])
  await destroy('/sub')
  expect([await user(), await grants(), warnings]).toEqual([null, 0, []])
})

test('a second instance uses the sessions of the first, which is nothing to warn of', async () => {
  await start([], ['pagerduty', 'crm'])
  await logIn()
  await logIn('crm')
  expect(await user()).toBe('PACME01')
  expect(warnings).toEqual([])
})
