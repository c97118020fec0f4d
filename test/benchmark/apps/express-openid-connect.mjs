// express-openid-connect, with its session in an encrypted cookie, as it comes.
import openid from 'express-openid-connect'
import { provider, scope, secret } from './provider.mjs'
import { incidents, serve } from './serve.mjs'

await serve((app, url) => {
  app.use(
    openid.auth({
      issuerBaseURL: process.env.OPENID_ISSUER,
      baseURL: url,
      clientID: provider.clientID,
      clientSecret: provider.clientSecret,
      clientAuthMethod: 'client_secret_post',
      secret,
      authRequired: false,
      idpLogout: false,
      authorizationParams: { response_type: 'code', scope: `openid ${scope}` },
      routes: { login: '/auth/pagerduty', callback: '/auth/pagerduty/callback' },
      session: { rollingDuration: 30 * 86_400, absoluteDuration: 30 * 86_400 },
    }),
  )
  const fresh = async (req, _res, next) => {
    if (req.oidc.accessToken.isExpired()) await req.oidc.accessToken.refresh()
    next()
  }
  app.get('/incidents', openid.requiresAuth(), fresh, (_req, res) => res.json(incidents))
  app.get('/token', openid.requiresAuth(), fresh, (req, res) => res.json(req.oidc.accessToken.access_token))
  app.use((error, _req, res, _next) => res.status(500).json({ error: error.message }))
})
