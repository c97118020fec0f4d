// What the board does with one of the accounts.
import { Router } from 'express'
import passport from 'passport'
import { apiError } from 'passport-pagerduty'
import { type Name, accounts, redis } from './accounts'
import { button, escape } from './html'
import { follow } from './live'

export function accountRoutes(name: Name): Router {
  const pd = accounts[name]
  const router = Router()

  const link = passport.authorize(name, { failureRedirect: '/' })
  router.get([`/auth/${name}`, `/auth/${name}/callback`], link, async (req, res) => {
    const { user } = req[name].requireLogin()
    await redis.hset('board:links', `${name}/${user.accountID}/${user.id}`, req.user?.id ?? '')
    res.redirect((req.authInfo as { returnTo?: string } | undefined)?.returnTo ?? '/')
  })
  router.post(`/auth/${name}/unlink`, pd.requireLogin(), async (req, res) => {
    const { accountID, id: userID } = req[name].requireLogin().user
    await redis.hdel('board:links', `${name}/${accountID}/${userID}`)
    await pd.grants.revoke({ accountID, userID }) // also at other devices, and the one of the nightly job
    res.redirect(303, '/')
  })

  router.get(`/${name}`, pd.requireScopes('incidents.read'), async (req, res) => {
    const lines = [button(`/${name}/nightly`, 'Report each night'), button(`/auth/${name}/unlink`, 'Unlink')]
    const label = req[name].has('incidents.write') ? 'Acknowledge' : 'Allow changes first'
    for await (const { id, title = '', status } of req[name].paginate<Record<string, string>>('/incidents')) {
      lines.push(`<p>${id} ${escape(title)}: ${status}</p>`, button(`/${name}/acknowledge/${id}`, label))
    }
    res.send(lines.join('\n'))
  })
  router.post(`/${name}/acknowledge/:id`, pd.requireScopes('incidents.write'), async (req, res) => {
    const answer = await req[name].fetch(`/incidents/${encodeURIComponent(String(req.params['id']))}`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ incident: { type: 'incident_reference', status: 'acknowledged' } }),
    })
    if (!answer.ok) throw await apiError(answer)
    res.redirect(303, `/${name}`)
  })
  router.post(`/${name}/nightly`, pd.requireScopes('incidents.read'), async (req, res) => {
    const { grantID } = req[name].requireLogin()
    await pd.grants.keep(grantID)
    await redis.sadd('board:nightly', `${name}/${grantID}`)
    res.redirect(303, `/${name}`)
  })
  router.get(`/${name}/events`, pd.requireScopes('incidents.read'), follow(name))
  return router.use(pd.errors())
}
