import { join } from 'node:path'
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express'
import type { PagerDuty, ScopeName } from '../src'
import { events } from './events'
import { type Markup, html } from './html'
import { notice, sendPage } from './layout'
import { incidentTable, serviceList } from './list-pages'
import { mePage } from './me-page'
import { type Answer, getProfile, listIncidents, listServices } from './pagerduty-api'
import { loginLimit, nonceOf, securityHeaders } from './security'
import { sessionTime } from './session-warning'
import { sessions } from './sessions'
import { scopes } from './scopes'
import type { Configuration } from './scopes-page'
import { type SendDelivery, noWebhooks, webhooks } from './webhooks'
import { welcomePage } from './welcome-page'

export interface ExampleSetup {
  pd: PagerDuty
  callbackURL: string
  /** What the app is configured with at the simulator; undefined at the real PagerDuty. */
  configuration: Configuration | undefined
  /** What the two guarded pages need. */
  needs: { incidents: ScopeName; services: ScopeName }
  /** Whether there is a secret to check webhooks with. */
  hasWebhooks: boolean
  /** Where logins are kept, in a few words. */
  place: string
  /** Makes the simulator send a delivery. */
  send?: SendDelivery | undefined
}

/** The example app: everything that `pd` can do, in a few routes. */
export function createExampleApp(setup: ExampleSetup): Express {
  const { pd, callbackURL, configuration, needs } = setup
  const { origin: url, pathname: callbackPath, protocol } = new URL(callbackURL)
  const app = express()
  app.disable('x-powered-by')
  // Behind the proxy that does the https, the visitor's address is in X-Forwarded-For.
  if (protocol === 'https:') app.set('trust proxy', 1)

  app.use(securityHeaders(url))
  for (const file of ['style.css', 'icon.svg']) {
    app.get(`/${file}`, (_req, res) => res.sendFile(join(__dirname, file)))
  }
  app.get('/auth/pagerduty', loginLimit())
  app.get(callbackPath, loginLimit())
  app.use(pd.auth())

  app.get('/', homePage(url, configuration !== undefined))
  app.get(
    '/incidents',
    pd.requireScopes(needs.incidents),
    listPage('Incidents', listIncidents, incidentTable),
  )
  app.get('/services', pd.requireScopes(needs.services), listPage('Services', listServices, serviceList))

  app.use(sessionTime(pd))
  app.use(sessions(pd, setup.place))
  app.use(events(pd))
  app.use(scopes(pd, needs, configuration))
  app.use(setup.hasWebhooks ? webhooks(pd, { url, send: setup.send }) : noWebhooks(pd))

  app.get('/api/incidents', pd.requireScopes(needs.incidents), async (req, res) => {
    const incidents = await listIncidents(req)
    if ('problem' in incidents) return void res.status(502).json({ title: incidents.problem })
    res.set('Cache-Control', 'no-store').json({ incidents: incidents.data })
  })

  const form = express.urlencoded({ extended: false, limit: '2kb' })
  app.post('/refresh', pd.requireSameOrigin(), pd.requireLogin(), form, async (req, res) => {
    await req.pagerduty.getAccessToken({ forceRefresh: true })
    const { from } = Object(req.body) as { from?: unknown }
    const back = { scopes: '/scopes?refreshed', events: '/events' }[String(from)]
    res.redirect(303, back ?? '/?refreshed#token')
  })

  app.use(notFound, pd.errors(), failed)
  return app
}

const notFound: RequestHandler = (req, res) => {
  const content = html`<h1>Page not found</h1>
    <p class="lead"><a href="/">Go to the home page</a></p>`
  sendPage(req, res, { title: 'Not found', content, status: 404 })
}

/** What is left of errors: Express's own page would show the stack, unless NODE_ENV is production. */
const failed: ErrorRequestHandler = (error: { status?: number; stack?: string }, req, res, next) => {
  if (res.headersSent) return next(error)
  const { status = 500 } = error
  if (status >= 500) process.stderr.write(`${error.stack}\n`)
  const content = html`<h1>Something went wrong</h1>
    <p class="lead"><a href="/">Go to the home page</a></p>`
  sendPage(req, res, { title: 'Something went wrong', content, status })
}

/** The welcome, or the user's own page. */
function homePage(url: string, isSimulator: boolean): RequestHandler {
  return async (req, res) => {
    if (req.pagerduty.user === undefined) {
      return sendPage(req, res, { title: 'Welcome', content: welcomePage({ url, isSimulator }) })
    }
    const profile = await getProfile(req)
    const content = mePage(req, profile, { url, nonce: nonceOf(res) })
    sendPage(req, res, { title: 'You', content })
  }
}

/** A page of what one call to PagerDuty lists. */
function listPage<Item>(
  title: string,
  list: (req: Request) => Promise<Answer<Item[]>>,
  show: (items: Item[]) => Markup,
): RequestHandler {
  return async (req, res) => {
    const answer = await list(req)
    const [status, shown] = 'data' in answer ? [200, show(answer.data)] : [502, notice(answer.problem)]
    sendPage(req, res, {
      title,
      content: html`<h1>${title}</h1>
        ${shown}`,
      status,
    })
  }
}
