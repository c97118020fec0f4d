import { setTimeout as pause } from 'node:timers/promises'
import express, { type Express } from 'express'
import type { PagerDuty, WebhookHandler } from '../../../src'
import type { Ran } from './victim-guards'

/** Receivers of all kinds. What a handler does is written in the title of the incident. */
export function webhookRoutes(app: Express, pd: PagerDuty, ran: Ran): void {
  const handler: WebhookHandler = async (event, { fetch }) => {
    ran()
    const { title = '', self = '' } = event.data as { title?: string; self?: string }
    if (title === 'hang') await pause(60_000)
    if (title === 'slow') await pause(100)
    if (title === 'throw') throw new Error('The handler failed')
    if (title === 'throw late') {
      await pause(600)
      throw new Error('The handler failed')
    }
    // What a careless handler does with an address that an event brings.
    if (title === 'call') await fetch(self)
  }
  app.post('/hooks', pd.webhook(handler, { name: 'hooks', timeout: 500 }))
  app.post('/hooks/call', pd.webhook(handler, { name: 'call' }))
  app.use('/hooks/parsed', express.json(), pd.webhook(ran, { name: 'parsed' }))
  app.use(
    '/hooks/kept',
    express.json({
      limit: '256kb',
      verify: (req, _res, bytes) => void Object.assign(req, { rawBody: bytes }),
    }),
    pd.webhook(ran, { name: 'kept' }),
  )
  app.post(
    '/hooks/bearer',
    pd.webhook(ran, { name: 'bearer', verifyBearer: (token) => token === 'the-right-token' }),
  )
}
