import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { type PagerDuty, pagerduty } from '../../src'
import { startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'
import { eventNames, everyEvent } from '../support/every-event'

const secrets = {
  clientSecret: 'CANARY-client-secret-of-some-length',
  secret: 'CANARY-session-secret-of-thirty-two-and-more',
}

function everyWayToLook(value: unknown): string {
  const seen = new Set<unknown>()
  const json = JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'object' && item !== null) {
      if (seen.has(item)) return undefined
      seen.add(item)
    }
    return item
  })
  return [
    inspect(value, {
      depth: 12,
      showHidden: true,
      getters: true,
      maxStringLength: null,
      maxArrayLength: null,
    }),
    inspect({ ...(value as object) }, { depth: 12 }),
    json,
  ].join('\n')
}

test('no secret shows when an instance or its members are inspected, spread or turned into JSON', () => {
  const pd = pagerduty({
    ...secrets,
    clientID: 'a',
    callbackURL: 'https://app.example/cb',
    scope: 'users.read',
    customHeaders: { 'X-Gateway-Key': 'CANARY-key' },
  })
  for (const part of [pd, pd.strategy, pd.grants, pd.auth()]) {
    expect(everyWayToLook(part)).not.toContain('CANARY')
  }
})

test('no secret shows in any event, to a listener, a subscriber or the log', async () => {
  const simulator = await startPagerDuty()
  const looks = new Map<string, string>()
  const look = (what: string, ...seen: unknown[]) => void looks.set(what, everyWayToLook(seen))
  const hear = (message: unknown, channel: string | symbol) => look(String(channel), message)
  for (const name of eventNames) subscribe(`passport-pagerduty:${name}`, hear)
  const level = (name: string) => (message: string, detail?: object) =>
    look(`${name} ${message}`, message, detail)
  const logger = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') }
  const listen = (pd: PagerDuty) => {
    for (const name of eventNames) pd.on(name, (detail) => look(name, detail))
  }
  await everyEvent(simulator, listen, { logger })
  for (const name of eventNames) unsubscribe(`passport-pagerduty:${name}`, hear)
  expect([...looks.keys()]).toEqual(expect.arrayContaining(eventNames))
  expect([...looks.keys()]).toEqual(
    expect.arrayContaining(eventNames.map((name) => `passport-pagerduty:${name}`)),
  )
  expect([...looks.values()].join('\n')).not.toMatch(/CANARY|pd(us|eu)\+_|simulator-secret/)
  await simulator.close()
})

test('no response shows a token or a stack', async () => {
  const simulator = await startPagerDuty()
  const app = await startDropIn(simulator)
  const browser = new Browser()
  const bodies: string[] = []
  for (const fault of ['500', 'html', 'reset', 'redirect', 'invalid_client', 'invalid_grant'] as const) {
    simulator.failNext('token', fault)
    const { finished } = await app.logIn(browser)
    bodies.push(await finished.text(), JSON.stringify([...finished.headers]))
  }
  expect(bodies.join('\n')).not.toMatch(/pd(us|eu)\+_|simulator-secret|\n\s+at |code_verifier/)
  await app.close()
  await simulator.close()
})
