// The team, and their logins with a password, which have nothing to do with PagerDuty.
import { scryptSync, timingSafeEqual } from 'node:crypto'
import { RedisStore } from 'connect-redis'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import passport from 'passport'
import { accounts, names, redis } from './accounts'

declare global {
  namespace Express {
    interface User {
      id: string
      isAdministrator?: boolean
    }
  }
}

const hash = (id: string, password: string) => scryptSync(password, id, 32)
const people = new Map(
  (process.env['BOARD_PEOPLE'] ?? '').split(',').map((person) => {
    const [id = '', password = '', role] = person.split(':')
    return [id, { user: { id, isAdministrator: role === 'admin' }, hash: hash(id, password) }]
  }),
)

class PasswordStrategy extends passport.Strategy {
  override name = 'password'

  override authenticate(req: Request): void {
    const { id = '', password = '' } = req.body as { id?: string; password?: string }
    const person = people.get(id)
    if (person !== undefined && timingSafeEqual(person.hash, hash(id, password))) this.success(person.user)
    else this.fail()
  }
}

passport.use(new PasswordStrategy())
for (const name of names) passport.use(accounts[name].strategy)
passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id: string, done) => done(null, people.get(id)?.user ?? false))

export const sessions: RequestHandler[] = [
  session({
    secret: process.env['SESSION_SECRET'] ?? '',
    store: new RedisStore({ client: redis, prefix: 'board:sess:' }),
    resave: false,
    saveUninitialized: false,
  }),
  passport.session(),
  ...names.map((name) => accounts[name].sessionTokens()),
]
