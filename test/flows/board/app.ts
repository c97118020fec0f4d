import express from 'express'
import passport from 'passport'
import { accountRoutes } from './account-routes'
import { accounts, names } from './accounts'
import { admin } from './admin'
import { receive } from './live'
import { sessions } from './people'

export const app = express()

for (const name of names) app.post(`/webhooks/${name}`, receive(name))
app.use(accounts.acme.requireSameOrigin(), sessions)

app.get('/login', (_req, res) => {
  res.send(
    '<form method="post"><input name="id"><input name="password" type="password"><button>Log in</button>',
  )
})
const login = passport.authenticate('password', { successRedirect: '/', failureRedirect: '/login' })
app.post('/login', express.urlencoded(), login)
app.use((req, res, next) => (req.user ? next() : res.redirect('/login')))

app.post('/logout', (req, res, next) =>
  req.logout((error) => (error ? next(error) : res.redirect(303, '/login'))),
)
app.get('/', (req, res) => {
  const linked = names.map((name) => `<a href="/${name}">${name}: ${req[name].user?.id ?? 'not linked'}</a>`)
  res.send(`${req.user?.id}: ${linked.join(', ')}`)
})
app.use('/admin', admin)
for (const name of names) app.use(accountRoutes(name), accounts[name].errors())
