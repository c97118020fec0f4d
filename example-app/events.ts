import express, { type Request, type Router } from 'express'
import type { PagerDuty } from '../src'
import { EventLog, type Happening, keyOf } from './event-log'
import { eventPage, eventRow } from './event-page'
import { sendPage } from './layout'
import { stream } from './live'
import { nonceOf } from './security'

/** The page that shows events, and what keeps it up to date. */
export function events(pd: PagerDuty): Router {
  const router = express.Router()
  const log = new EventLog(pd)
  const viewerOf = ({ pagerduty: { user } }: Request) => user && keyOf(user)

  router.get('/events', pd.requireLogin(), (req, res) => {
    const content = eventPage(log.happenings, viewerOf(req), nonceOf(res))
    sendPage(req, res, { title: 'Events', content })
  })

  router.get('/events/stream', pd.requireLogin(), (req, res) => {
    const viewer = viewerOf(req)
    stream(req, res, (send) => {
      const show = (happening: Happening) => send({ row: eventRow(happening, viewer) })
      log.on('happening', show)
      return () => log.off('happening', show)
    })
  })
  return router
}
