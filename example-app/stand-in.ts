import { randomBytes } from 'node:crypto'
import type { PagerDutyOptions } from '../src'
import { type StandIn, type WebhookAnswer, defaultClient, sendWebhook, startPagerDuty } from '../src/testing'
import type { SendDelivery } from './webhooks'

/** Its app is configured for less than the example asks, as happens at PagerDuty too. */
export function startStandIn(): Promise<StandIn> {
  const scope = ['incidents.read', 'incidents.write', 'users.read']
  return startPagerDuty({ clients: [{ ...defaultClient, clientID: 'example-app', scope }] })
}

/** The options that the environment gives where there is a PagerDuty account. */
export function standInOptions(standIn: StandIn): PagerDutyOptions & { webhookSecret: string } {
  return {
    ...standIn.options(),
    scope: ['incidents.read', 'users.read', 'teams.read'],
    account: 'us.acme',
    webhookSecret: randomBytes(32).toString('base64url'),
    // The stand-in forgets its logins when it stops, so nothing is lost with a secret that is forgotten too.
    secret: process.env['SESSION_SECRET'] || randomBytes(32).toString('base64url'),
  }
}

/** Sends real, signed deliveries; a forged one, and the one before again, too. */
export function deliverer(secret: string): SendDelivery {
  let last: WebhookAnswer | undefined
  return async (receiver, kind) => {
    if (kind === 'duplicate') return void (await last?.again())
    if (kind === 'forged')
      return void (await sendWebhook(receiver, 'incident.triggered', { secret: 'somebody else’s secret' }))
    last = await sendWebhook(receiver, kind, { secret })
  }
}
