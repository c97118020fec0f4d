import type { AddressInfo } from 'node:net'
import express from 'express'
import { accountRoutes } from './account-routes'
import { accounts, close, names } from './accounts'
import { admin } from './admin'
import { receive, subscribe, unsubscribe } from './live'
import { logIn, sessions } from './people'

const app = express()
for (const name of names) app.post(`/webhooks/${name}`, receive(name))
app.use(accounts.acme.requireSameOrigin(), sessions)

const fields = '<input name="id"><input name="password" type="password">'
app.get('/login', (_req, res) => void res.send(`<form method="post">${fields}<button>Log in</button></form>`))
app.post('/login', express.urlencoded(), logIn)
app.use((req, res, next) => (req.user ? next() : res.redirect('/login')))

app.post('/logout', (req, res, next) => {
  req.logout((error) => (error ? next(error) : res.redirect(303, '/login')))
})
app.get('/', (req, res) => {
  const linked = names.map((name) => `<a href="/${name}">${name}: ${req[name].user?.id ?? 'not linked'}</a>`)
  res.send(`${req.user?.id}: ${linked.join(', ')}`)
})
app.use('/admin', admin)
app.use(names.map(accountRoutes), accounts.acme.errors())

const server = app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', async () => {
  await subscribe()
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

process.once('SIGTERM', () => {
  server.maxRequestsPerSocket = 1
  server.close(() => void close())
  void unsubscribe() // ends the event streams, which the server would wait for
  setTimeout(() => server.closeAllConnections(), 15_000).unref()
})
