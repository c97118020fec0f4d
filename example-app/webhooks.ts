import express, { type Router } from 'express'
import { type PagerDuty, type WebhookHandler, incidentIDOf } from '../src'
import { type Delivery, DeliveryLog } from './delivery-log'
import { html } from './html'
import { empty, sendPage } from './layout'
import { stream } from './live'
import { nonceOf, webhookLimit } from './security'
import { deliveryRow, tokenCard, webhookPage } from './webhook-page'

/** Sends one of the deliveries that the simulator knows. */
export type SendDelivery = (receiver: string, kind: string) => Promise<void>

/** Where PagerDuty's webhooks arrive, and the pages that show them. */
export function webhooks(
  pd: PagerDuty,
  { url, send }: { url: string; send?: SendDelivery | undefined },
): Router {
  const router = express.Router()
  const log = new DeliveryLog(pd)

  /** Adds a note to an incident when something happens to it, as the app. */
  const handler: WebhookHandler = async (event, context) => {
    const incidentID = incidentIDOf(event)
    if (incidentID === undefined) return
    const note = { content: `The example app has seen ${event.event_type}.` }
    const answer = await context.fetch(`/incidents/${incidentID}/notes`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ note }),
    })
    log.did(event.id, `POST /incidents/${incidentID}/notes: ${answer.status}`)
  }
  router.post('/webhooks/pagerduty', webhookLimit(), pd.webhook(handler))

  router.get('/webhooks', pd.requireLogin(), (req, res) => {
    const content = webhookPage(log, { canSend: send !== undefined, url, nonce: nonceOf(res) })
    sendPage(req, res, { title: 'Webhooks', content })
  })

  // Server-sent events, each with a row of the table and the panel of tokens.
  router.get('/webhooks/stream', pd.requireLogin(), (req, res) => {
    stream(req, res, (send) => {
      const show = (delivery: Delivery) =>
        send({ row: deliveryRow(delivery), panels: { 'app-tokens': tokenCard(log) } })
      log.on('delivery', show)
      return () => log.off('delivery', show)
    })
  })

  if (send !== undefined) {
    const form = express.urlencoded({ extended: false })
    router.post('/webhooks/send', pd.requireSameOrigin(), pd.requireLogin(), form, async (req, res) => {
      await send(`${url}/webhooks/pagerduty`, String((req.body as { kind?: unknown }).kind))
      res.redirect(303, '/webhooks')
    })
  }
  return router
}

/** The page where no webhook can be received, with the reason. */
export function noWebhooks(pd: PagerDuty): Router {
  return express.Router().get('/webhooks', pd.requireLogin(), (req, res) => {
    const isClassic = req.pagerduty.appType === 'classic'
    const content = html`<h1>Webhooks</h1>
      ${empty(
        isClassic
          ? 'This app is a Classic one. To handle webhooks it has to be a Scoped app.'
          : 'To receive webhooks, set PAGERDUTY_WEBHOOK_SECRET to the secret of a webhook subscription.',
      )}`
    sendPage(req, res, { title: 'Webhooks', content })
  })
}
