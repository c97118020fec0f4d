// The drop-in. In memory, or over Redis where REDIS_URL is set. IDLE: milliseconds that a session lives without a request.
import { pagerduty } from 'passport-pagerduty'
import { scope } from './provider.mjs'
import { incidents, serve } from './serve.mjs'

await serve((app, url) => {
  const { IDLE } = process.env
  const pd = pagerduty({
    scope,
    callbackURL: `${url}/auth/pagerduty/callback`,
    logger: { warn() {} },
    ...(IDLE && { session: { idle: Number(IDLE) } }),
  })
  app.use(pd.auth())
  app.get('/incidents', pd.requireScopes(scope), (_req, res) => res.json(incidents))
  app.get('/token', pd.requireScopes(scope), async (req, res) => {
    res.json(await req.pagerduty.getAccessToken())
  })
})
