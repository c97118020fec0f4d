import { randomBytes } from 'node:crypto'
import type { PagerDutyOptions } from '../src'
import {
  type Simulator,
  type WebhookAnswer,
  defaultClient,
  sendWebhook,
  startPagerDuty,
} from '../src/testing'
import type { Configuration } from './scopes-page'
import type { SendDelivery } from './webhooks'

const clientID = 'example-app'
const configuredAtFirst = ['incidents.read', 'incidents.write', 'users.read']

/** Its app is configured for less than the example asks, as happens at PagerDuty too. */
export function startSimulator(): Promise<Simulator> {
  const client = { ...defaultClient, clientID, scope: configuredAtFirst }
  return startPagerDuty({ clients: [client], refreshNarrows: true })
}

/** The switch on the page of scopes. */
export function configurationOf(simulator: Simulator): Configuration {
  let scope: readonly string[] = configuredAtFirst
  return {
    choices: [...configuredAtFirst, 'services.read', 'teams.read'],
    get scope() {
      return scope
    },
    change(changed) {
      scope = changed
      simulator.configure(clientID, { scope })
    },
  }
}

/** The options that the environment gives where there is a PagerDuty account. */
export function simulatorOptions(simulator: Simulator): PagerDutyOptions & { webhookSecret: string } {
  return {
    ...simulator.options(),
    scope: ['incidents.read', 'users.read', 'teams.read'],
    account: 'us.acme',
    webhookSecret: randomBytes(32).toString('base64url'),
    // The simulator forgets its logins when it stops, so nothing is lost with a secret that is forgotten too.
    secret: process.env['SESSION_SECRET'] || randomBytes(32).toString('base64url'),
  }
}

/** Sends real, signed deliveries; a forged one, and the one before again, too. */
export function deliverer(secret: string): SendDelivery {
  let last: WebhookAnswer | undefined
  return async (receiver, kind) => {
    if (kind === 'duplicate') return void (await last?.again())
    if (kind === 'forged')
      return void (await sendWebhook(receiver, 'incident.triggered', { secret: 'another secret' }))
    last = await sendWebhook(receiver, kind, { secret })
  }
}
