import express, { type Request, type Router } from 'express'
import type { PagerDuty } from '../src'
import { sendPage } from './layout'
import { sessionsPage } from './sessions-page'

/** The page that shows where a user is logged in, and what its buttons do. */
export function sessions(pd: PagerDuty): Router {
  const router = express.Router()
  const ownerOf = (req: Request) => {
    const { user, grantID } = req.pagerduty.requireLogin()
    return { owner: { accountID: user.accountID, userID: user.id }, grantID }
  }

  router.get('/sessions', pd.requireLogin(), async (req, res) => {
    const { owner, grantID } = ownerOf(req)
    const content = sessionsPage(await pd.grants.list(owner), grantID, 'ended' in req.query)
    sendPage(req, res, { title: 'Your sessions', content })
  })

  const form = express.urlencoded({ extended: false, limit: '2kb' })
  router.post('/sessions/end', pd.requireSameOrigin(), pd.requireLogin(), form, async (req, res) => {
    const { grantID } = Object(req.body) as { grantID?: unknown }
    // Only one of the user's own.
    const own = await pd.grants.list(ownerOf(req).owner)
    const ended = own.find((grant) => grant.grantID === grantID)
    if (ended?.grantID !== undefined) await pd.grants.revoke(ended.grantID)
    res.redirect(303, '/sessions?ended')
  })

  router.post('/sessions/end-others', pd.requireSameOrigin(), pd.requireLogin(), async (req, res) => {
    const { owner, grantID } = ownerOf(req)
    await pd.grants.revoke({ ...owner, except: grantID })
    res.redirect(303, '/sessions?ended')
  })
  return router
}

const browsers = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrome\//, 'Chrome'],
  [/Safari\//, 'Safari'],
] as const

const systems = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS/, 'macOS'],
  [/Linux/, 'Linux'],
] as const

/** For the option `label`: the browser of a login in a few words. The first that matches: Edge calls itself Chrome, too. */
export function browserLabel(req: Request): string {
  const agent = req.get('User-Agent') ?? ''
  const find = (known: typeof browsers | typeof systems) =>
    known.find(([pattern]) => pattern.test(agent))?.[1]
  return `${find(browsers) ?? 'Unknown browser'} on ${find(systems) ?? 'an unknown system'}`
}
