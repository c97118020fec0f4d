import type { Express } from 'express'
import { type PagerDuty, type PagerDutyOptions, pagerduty } from '../../src'
import { type Simulator, approve } from '../../src/testing'
import { type RunningApp, serve } from './app'
import { Browser } from './browser'

/** An app with `pd.auth()` and a few guarded routes, in front of a simulator. */
export interface DropIn extends RunningApp {
  pd: PagerDuty
  /** Begins a login in a browser and returns PagerDuty's authorize URL. */
  begin(browser: Browser, path?: string): Promise<string>
  /** The whole way: login start, approval, callback. */
  logIn(
    browser?: Browser,
    options?: { path?: string; user?: string },
  ): Promise<{ browser: Browser; finished: Response }>
  logOut(browser: Browser, headers?: Record<string, string>): Promise<Response>
  /** A guarded request of a script. */
  get(browser: Browser, path?: string): Promise<Response>
}

/** Starts one; `more` adds routes. */
export async function startDropIn(
  simulator: Simulator,
  options: PagerDutyOptions = {},
  more: (app: Express, pd: PagerDuty) => void = () => {},
): Promise<DropIn> {
  let pd: PagerDuty | undefined
  const app = await serve((express, url) => {
    const made = pagerduty({
      ...simulator.options(),
      scope: ['incidents.read', 'users.read'],
      callbackURL: `${url}/auth/${options.name ?? 'pagerduty'}/callback`,
      ...options,
    })
    pd = made
    express.use(made.auth())
    express.get('/', (req, res) => void res.json({ user: req.user ?? null }))
    express.get('/me', made.requireLogin(), (req, res) => void res.json(req.user))
    express.get('/incidents', made.requireScopes('incidents.read'), async (req, res) => {
      const answer = await req.pagerduty.fetch('/incidents')
      res.status(answer.status).json(await answer.json())
    })
    express.get(
      '/services',
      made.requireScopes('services.read', 'incidents.read'),
      (_req, res) => void res.json([]),
    )
    more(express, made)
    express.use(made.errors())
  })
  const dropIn: DropIn = {
    ...app,
    pd: pd as unknown as PagerDuty,
    async begin(browser, path = '/auth/pagerduty') {
      const begun = await browser.visit(app.url + path)
      return begun.headers.get('location') as string
    },
    async logIn(browser = new Browser(), { path, user = 'PACME01' } = {}) {
      const callback = await approve(await dropIn.begin(browser, path), { user })
      return { browser, finished: await browser.visit(callback) }
    },
    logOut: (browser, headers = { 'Sec-Fetch-Site': 'same-origin' }) =>
      browser.fetch(`${app.url}/auth/pagerduty/logout`, { method: 'POST', headers }),
    get: (browser, path = '/incidents') => browser.fetch(app.url + path),
    async close() {
      await dropIn.pd.close()
      await app.close()
    },
  }
  return dropIn
}

/** The callback URL with a parameter changed, added or (undefined) removed. */
export function altered(callback: string, changes: Record<string, string | undefined>): string {
  const url = new URL(callback)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) url.searchParams.delete(name)
    else url.searchParams.set(name, value)
  }
  return url.href
}
