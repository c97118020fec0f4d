// What people wire by hand: express-session, connect-redis (or connect-pg-simple where POSTGRES_URL is set), Passport,
// passport-oauth2, and a check of their own.
import connectPgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import session from 'express-session'
import { Redis } from 'ioredis'
import passport from 'passport'
import OAuth2Strategy from 'passport-oauth2'
import refresh from 'passport-oauth2-refresh'
import { provider, scope, secret } from './provider.mjs'
import { incidents, serve } from './serve.mjs'

await serve((app, url) => {
  const strategy = new OAuth2Strategy(
    {
      authorizationURL: `${provider.url}/oauth/authorize`,
      tokenURL: `${provider.url}/oauth/token`,
      clientID: provider.clientID,
      clientSecret: provider.clientSecret,
      callbackURL: `${url}/auth/pagerduty/callback`,
      scope: ['openid', scope],
      state: true,
      pkce: true,
    },
    (accessToken, refreshToken, params, _profile, done) => {
      const claims = JSON.parse(Buffer.from(params.id_token.split('.')[1], 'base64url').toString())
      done(null, { id: claims.user_id, ...tokensOf(accessToken, refreshToken, params) })
    },
  )
  passport.use('pagerduty', strategy)
  refresh.use('pagerduty', strategy)
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user, done) => done(null, user))

  app.use(
    session({
      store: process.env.POSTGRES_URL
        ? new (connectPgSimple(session))({ conString: process.env.POSTGRES_URL, createTableIfMissing: true })
        : new RedisStore({ client: new Redis(process.env.REDIS_URL) }),
      secret,
      resave: false,
      saveUninitialized: false,
      cookie: { sameSite: 'lax', maxAge: 30 * 24 * 3_600_000 },
    }),
    passport.session(),
  )
  app.get('/auth/pagerduty', passport.authenticate('pagerduty'))
  app.get('/auth/pagerduty/callback', passport.authenticate('pagerduty', { successRedirect: '/' }))

  const guard = async (req, res, next) => {
    if (!req.user) return res.status(401).json({ error: 'unauthorized' })
    if (Date.now() >= req.user.expiresAt) await renew(req)
    if (!req.user.scope.split(' ').includes(scope)) return res.status(403).json({ error: 'forbidden' })
    next()
  }
  app.get('/incidents', guard, (_req, res) => res.json(incidents))
  app.get('/token', guard, (req, res) => res.json(req.user.accessToken))
  app.use((error, _req, res, _next) => res.status(500).json({ error: error.message }))
})

function tokensOf(accessToken, refreshToken, { expires_in: lifetime, scope: granted }) {
  return { accessToken, refreshToken, scope: granted, expiresAt: Date.now() + lifetime * 1000 }
}

function renew(req) {
  return new Promise((resolve, reject) => {
    refresh.requestNewAccessToken('pagerduty', req.user.refreshToken, (error, access, next, params) => {
      if (error) return reject(new Error('not refreshed'))
      // It is this very object that express-session saves.
      Object.assign(req.user, tokensOf(access, next, params))
      resolve()
    })
  })
}
