// What the board does with one of the accounts.
import { Router } from 'express'
import passport from 'passport'
import { apiError } from 'passport-pagerduty'
import { type Name, accounts, redis } from './accounts'
import { button, escape } from './html'
import { follow } from './live'

type Incidents = { incidents: { id: string; title: string; status: string }[] }

export function accountRoutes(name: Name): Router {
  const pd = accounts[name]
  const router = Router()
  const link = passport.authorize(name, { failureRedirect: '/' })

  router.get(`/auth/${name}`, link)
  router.get(`/auth/${name}/callback`, link, async (req, res) => {
    const { user } = req[name].requireLogin()
    await redis.hset('board:links', `${name}/${user.accountID}/${user.id}`, req.user?.id ?? '')
    const { returnTo = '/' } = (req.authInfo ?? {}) as { returnTo?: string }
    res.redirect(returnTo)
  })
  router.post(`/auth/${name}/unlink`, async (req, res) => {
    const { user } = req[name]
    if (user !== undefined) {
      await redis.hdel('board:links', `${name}/${user.accountID}/${user.id}`)
      await pd.grants.revoke({ accountID: user.accountID, userID: user.id }) // also at other devices, and the nightly job's
    }
    res.redirect(303, '/')
  })

  router.get(`/${name}`, pd.requireScopes('incidents.read'), async (req, res) => {
    const answer = await req[name].fetch('/incidents')
    if (!answer.ok) throw await apiError(answer)
    const { incidents } = (await answer.json()) as Incidents
    const label = req[name].has('incidents.write') ? 'Acknowledge' : 'Allow changes first'
    const lines = incidents.map(
      ({ id, title, status }) =>
        `<p>${id} ${escape(title)}: ${status}</p>${button(`/${name}/incidents/${id}/acknowledge`, label)}`,
    )
    const others = [button(`/${name}/nightly`, 'Report each night'), button(`/auth/${name}/unlink`, 'Unlink')]
    res.send([...lines, ...others].join('\n'))
  })
  router.post(`/${name}/incidents/:id/acknowledge`, pd.requireScopes('incidents.write'), async (req, res) => {
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
  return router
}
