import { inspect } from 'node:util'
import { pagerduty } from '../src'
import { startPagerDuty } from '../src/testing'
import { Browser } from './support/browser'
import { startDropIn } from './support/drop-in'

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

test('no secret shows when the parts are inspected, spread or turned into JSON', () => {
  const pd = pagerduty({
    ...secrets,
    clientID: 'a',
    callbackURL: 'https://app.example/cb',
    scope: 'users.read',
  })
  for (const part of [pd, pd.strategy, pd.grants, pd.auth()]) {
    expect(everyWayToLook(part)).not.toContain('CANARY')
  }
})

test('no token and no stack shows in any answer', async () => {
  const standIn = await startPagerDuty()
  const app = await startDropIn(standIn)
  const browser = new Browser()
  const bodies: string[] = []
  for (const fault of ['500', 'html', 'reset', 'redirect', 'invalid_client', 'invalid_grant'] as const) {
    standIn.failNext('token', fault)
    const { finished } = await app.logIn(browser)
    bodies.push(await finished.text(), JSON.stringify([...finished.headers]))
  }
  expect(bodies.join('\n')).not.toMatch(/pd(us|eu)\+_|stand-in-secret|\n\s+at |code_verifier/)
  await app.close()
  await standIn.close()
})
