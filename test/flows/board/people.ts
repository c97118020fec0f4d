// The team, and their logins with a password, which have nothing to do with PagerDuty.
import { scryptSync, timingSafeEqual } from 'node:crypto'
import { RedisStore } from 'connect-redis'
import type { Request, RequestHandler } from 'express'
import session from 'express-session'
import passport from 'passport'
import { accounts, names, redis } from './accounts'

const hash = (id: string, password: string) => scryptSync(password, id, 32)
const people = new Map<string | undefined, { user: Express.User; hash: Buffer }>()
for (const person of (process.env['BOARD_PEOPLE'] ?? '').split(',')) {
  const [id = '', password = '', role] = person.split(':')
  people.set(id, { user: { id, isAdministrator: role === 'admin' }, hash: hash(id, password) })
}

class PasswordStrategy extends passport.Strategy {
  override authenticate({ body }: Request): void {
    const { id = '', password = '' } = body as { id?: string; password?: string }
    const person = people.get(id)
    if (person && timingSafeEqual(person.hash, hash(id, password))) this.success(person.user)
    else this.fail()
  }
}

passport.use('password', new PasswordStrategy())
for (const name of names) passport.use(accounts[name].strategy)
passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id: string, done) => done(null, people.get(id)?.user ?? false))

const secret = process.env['SESSION_SECRET'] ?? ''
const store = new RedisStore({ client: redis, prefix: 'board:people:' })
export const sessions: RequestHandler[] = [
  session({ secret, store, resave: false, saveUninitialized: false }),
  passport.session(),
  ...names.map((name) => accounts[name].sessionTokens()),
]
