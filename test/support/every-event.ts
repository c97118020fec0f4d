import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PagerDuty, PagerDutyEvents, PagerDutyOptions } from '../../src'
import { type Simulator, sendWebhook } from '../../src/testing'
import { Browser } from './browser'
import { type DropIn, startDropIn } from './drop-in'
import { WatchedStore } from './watched-store'

export type EventName = keyof PagerDutyEvents

/** The names of all events, from their declaration. */
export const eventNames = [
  ...readFileSync(join(__dirname, '../../src/observability/event-types.ts'), 'utf8').matchAll(
    /^ {2}(\w+): \[/gm,
  ),
].map(([, name]) => name as EventName)

/** Secrets that no event may carry, besides the tokens. */
export const canaries = {
  secret: 'CANARY-session-secret-of-thirty-two-and-more',
  webhookSecret: 'CANARY-webhook-secret',
  code: 'CANARY-code',
  state: 'CANARY-state',
  query: 'CANARY-query',
}

/**
 * Makes everything happen that there is an event for, in two processes that share a store.
 *
 * @param listen sees each instance before anything happens
 */
export async function everyEvent(
  simulator: Simulator,
  listen: (pd: PagerDuty) => void,
  options: PagerDutyOptions = {},
): Promise<void> {
  const { store, fetch } = refreshingTogether()
  const { secret, webhookSecret } = canaries
  const given = { secret, webhookSecret, tokenStore: store, fetch, account: 'us.acme', ...options }
  const start = () =>
    startDropIn(simulator, { ...given, scope: ['incidents.read', 'teams.read'] }, (app, pd) => {
      listen(pd)
      app.post(
        '/hook',
        pd.webhook(() => {}),
      )
    })
  const [one, other] = [await start(), await start()]
  try {
    await people(simulator, one, other)
    await one.pd.appTokens.getToken('users.read')
    await one.pd.appTokens.getToken('teams.read', { account: 'eu.globex' }).catch(() => {})
    await sendWebhook(`${one.url}/hook`, 'incident.triggered', { secret: webhookSecret })
    await sendWebhook(`${one.url}/hook`, 'incident.triggered', { secret: 'another secret' })
  } finally {
    simulator.clearFaults()
    await Promise.all([one.close(), other.close()])
    store.memory.close()
  }
}

/** A store, and a fetch that refreshes no sooner than another process wants to as well. */
function refreshingTogether(): { store: WatchedStore; fetch: typeof fetch } {
  const store = new WatchedStore()
  let locks = 0
  const bothAreThere = new Promise<void>((resolve) => {
    store.fault = (command) => {
      if (command.startsWith('create lock:') && ++locks === 2) resolve()
      return undefined
    }
  })
  return {
    store,
    async fetch(url, init) {
      if (String(init?.body).includes('grant_type=refresh_token')) await bothAreThere
      return fetch(url, init)
    },
  }
}

async function people(simulator: Simulator, one: DropIn, other: DropIn): Promise<void> {
  const { browser } = await one.logIn()
  const { code, state, query } = canaries
  await one.get(new Browser(), `/auth/pagerduty/callback?code=${code}&state=${state}`)
  await one.get(browser, `/services?token=${query}`)

  simulator.settings.rateLimit = { limit: 1 }
  await one.get(browser)
  simulator.settings.rateLimit = undefined

  simulator.expireTokens()
  simulator.settings.tokenLatency = 300
  await Promise.all([one.get(browser), other.get(browser)])
  simulator.settings.tokenLatency = 0

  simulator.expireTokens()
  simulator.failNext('token', '500')
  await one.get(browser)

  simulator.failNext('revoke', '500')
  const warned = new Promise((resolve) => one.pd.on('warning', resolve))
  await one.logOut(browser)
  await warned
}
