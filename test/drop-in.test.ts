import { type PagerDuty, type PagerDutyOptions, pagerduty } from '../src'
import { type StandIn, approve, startPagerDuty } from '../src/testing'
import { type RunningApp, serve } from './support/app'
import { Browser } from './support/browser'

describe('the drop-in, in memory', () => {
  let standIn: StandIn
  let app: RunningApp
  let pd: PagerDuty

  beforeAll(async () => {
    standIn = await startPagerDuty()
  })
  afterAll(() => standIn.close())
  beforeEach(async () => {
    app = await start()
    standIn.resetCalls()
  })
  afterEach(async () => {
    await pd.close()
    await app.close()
  })

  function start(options: PagerDutyOptions = {}): Promise<RunningApp> {
    return serve((express, url) => {
      pd = pagerduty({
        ...standIn.options(),
        scope: ['incidents.read', 'users.read'],
        callbackURL: `${url}/auth/pagerduty/callback`,
        ...options,
      })
      express.use(pd.auth())
      express.get('/', (req, res) => void res.json({ user: req.user ?? null }))
      express.get('/incidents', pd.requireScopes('incidents.read'), async (req, res) => {
        const answer = await req.pagerduty.fetch('/incidents')
        res.status(answer.status).json(await answer.json())
      })
      express.get('/services', pd.requireScopes('services.read'), (_req, res) => void res.json({}))
    })
  }

  async function logIn(browser = new Browser(), path = '/incidents') {
    const denied = await browser.visit(app.url + path)
    const begun = await browser.visit(app.url + denied.headers.get('location'))
    const callback = await approve(begun.headers.get('location') as string, { user: 'PACME01' })
    return { browser, callback, finished: await browser.visit(callback) }
  }

  test('takes a navigation through the login and back to where it was going', async () => {
    const { browser, finished } = await logIn()
    expect(finished.status).toBe(302)
    expect(finished.headers.get('location')).toBe('/incidents')
    const incidents = await browser.visit(`${app.url}/incidents`)
    expect(incidents.status).toBe(200)
  })
})
