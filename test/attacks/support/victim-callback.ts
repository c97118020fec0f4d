import type { Express, Request } from 'express'
import { Passport } from 'passport'
import { type PagerDuty, pagerduty } from '../../../src'
import type { VictimSettings } from './victim-settings'

/** What attacks on the callback need besides: a second instance, and a callback that keeps failures for a flash message. */
export function callbackRoutes(
  to: Express,
  pd: PagerDuty,
  { second, style, options }: VictimSettings,
  url: string,
): void {
  const flash = new Passport().use(pd.strategy as never)
  to.get('/flash', flash.authenticate('pagerduty', { failureMessage: true, failureRedirect: '/flashed' }))
  to.get('/flashed', (req, res) => {
    const { session } = req as unknown as { session: { messages?: string[] } }
    res.json(session.messages ?? [])
  })
  if (!second) return
  const other = pagerduty({
    ...options,
    name: 'second',
    clientID: 'second-client',
    clientSecret: 'second-secret',
    callbackURL: `${url}/auth/second/callback`,
    scope: 'users.read',
  })
  if (style === 'drop-in') to.use(other.auth())
  else {
    const passport = new Passport()
    passport.serializeUser((user, done) => done(null, user))
    passport.use(other.strategy as never)
    const ends = { successRedirect: '/', failureRedirect: '/failed' }
    to.use(other.sessionTokens())
    to.get('/auth/second', passport.authenticate('second'))
    to.get('/auth/second/callback', passport.authenticate('second', ends))
  }
  to.get('/second', (req, res) => {
    const grant = (req as unknown as { second?: Request['pagerduty'] }).second
    res.json({ user: grant?.user?.id ?? null })
  })
}
