// The team, and their logins with a password, which have nothing to do with PagerDuty.
import { createHash, timingSafeEqual } from 'node:crypto'
import { RedisStore } from 'connect-redis'
import type { RequestHandler } from 'express'
import session from 'express-session'
import passport from 'passport'
import { accounts, names, redis } from './accounts'

const people = new URLSearchParams(process.env['BOARD_PEOPLE']) // ada=her+password&ben=his+password
const hash = (password: string | null) =>
  createHash('sha256')
    .update(password ?? '')
    .digest()

for (const name of names) passport.use(accounts[name].strategy)
passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id: string, done) => done(null, people.has(id) && { id }))

const store = new RedisStore({ client: redis, prefix: 'board:people:' })
export const sessions: RequestHandler[] = [
  session({ secret: process.env['SESSION_SECRET'] ?? '', store, resave: false, saveUninitialized: false }),
  passport.session(),
  ...names.map((name) => accounts[name].sessionTokens()),
]

export const logIn: RequestHandler = (req, res, next) => {
  const { id = '', password = '' } = req.body as { id?: string; password?: string }
  const isRight = timingSafeEqual(hash(people.get(id)), hash(password)) // of one length
  if (!isRight || !people.has(id)) return res.redirect('/login')
  req.login({ id }, (error) => (error ? next(error) : res.redirect('/')))
}
