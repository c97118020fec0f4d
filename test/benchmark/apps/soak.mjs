// The app of a soak: a login, a guard, a call of the API as the user and one as the app. It says what it holds.
import { setTimeout as pause } from 'node:timers/promises'
import { pagerduty } from 'passport-pagerduty'
import { Agent, fetch } from 'undici'
import { scope } from './provider.mjs'
import { incidents, serve } from './serve.mjs'

/** Connections to the simulator: closed before they are counted, as how many there are at one time is chance. */
let agent = new Agent()
const warnings = []

const server = await serve(
  (app, url) => {
    const warn = (...what) => {
      warnings.push(what.map(String).join(' '))
    }
    const pd = pagerduty({
      scope,
      account: 'us.acme',
      callbackURL: `${url}/auth/pagerduty/callback`,
      session: { idle: Number(process.env.IDLE) },
      fetch: (input, init) => fetch(input, { ...init, dispatcher: agent }),
      logger: { warn },
    })
    app.use(pd.auth())
    app.get('/incidents', pd.requireScopes(scope), (_req, res) => res.json(incidents))
    app.get('/as-user', pd.requireScopes(scope), async (req, res) => {
      res.json(await (await req.pagerduty.fetch('/incidents')).json())
    })
    app.get('/as-app', pd.requireScopes(scope), async (_req, res) => {
      res.json(await (await pd.appTokens.fetch('/incidents')).json())
    })
  },
  { holdings },
)

// That state in memory is for one process is known.
warnings.splice(0)

/** What the process holds while nobody makes a request. */
async function holdings() {
  const used = agent
  agent = new Agent()
  await used.close()
  while ((await connections()) > 0) await pause(5)
  for (let round = 0; round < 3; round++) {
    globalThis.gc()
    await pause(20) // What is finalized frees more.
  }
  const handles = {}
  for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1
  return { heap: process.memoryUsage().heapUsed, handles, warnings: warnings.splice(0) }
}

function connections() {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
}
