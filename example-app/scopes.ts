import express, { type Router } from 'express'
import type { PagerDuty, ScopeName } from '../src'
import { sendPage } from './layout'
import { type Configuration, type Need, missingFor, scopesPage } from './scopes-page'

/** The page that compares scopes, and what its buttons do. */
export function scopes(
  pd: PagerDuty,
  needs: { incidents: ScopeName; services: ScopeName },
  configuration: Configuration | undefined,
): Router {
  const router = express.Router()
  const needed: Need[] = [
    { route: 'GET /incidents', scope: needs.incidents },
    { route: 'GET /api/incidents', scope: needs.incidents },
    { route: 'GET /services', scope: needs.services },
  ]

  router.get('/scopes', pd.requireLogin(), (req, res) => {
    sendPage(req, res, { title: 'Scopes', content: scopesPage(req, needed, configuration) })
  })

  // A link, for the reason that the login is one: see securityHeaders.
  router.get('/scopes/ask', pd.requireLogin(), (req, res) => {
    const scope = missingFor(req, needed)
    if (scope.length === 0) return res.redirect('/scopes')
    req.pagerduty.login({ scope, returnTo: '/scopes' })
  })

  if (configuration !== undefined) {
    const form = express.urlencoded({ extended: false, limit: '2kb' })
    router.post('/simulator/scopes', pd.requireSameOrigin(), pd.requireLogin(), form, (req, res) => {
      const { scope = [] } = Object(req.body) as { scope?: string | string[] }
      configuration.change(configuration.choices.filter((one) => [scope].flat().includes(one)))
      res.redirect(303, '/scopes?configured')
    })
  }
  return router
}
