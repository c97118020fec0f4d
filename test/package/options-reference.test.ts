import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PagerDutyOptions } from '../../src'
import { variables } from '../../src/environment'

/** The compiler sees to it that this has every option, and no other. */
const options: Record<keyof PagerDutyOptions, true> = {
  account: true,
  accounts: true,
  apiURL: true,
  appScope: true,
  appType: true,
  authorizationURL: true,
  callbackURL: true,
  clientID: true,
  clientSecret: true,
  customHeaders: true,
  extraScopes: true,
  fetch: true,
  identityURL: true,
  issuer: true,
  jwksURL: true,
  label: true,
  logger: true,
  name: true,
  onError: true,
  partialGrant: true,
  prefix: true,
  passReqToCallback: true,
  redis: true,
  requireAtHash: true,
  revocationURL: true,
  revokeOnLogout: true,
  routes: true,
  scope: true,
  secret: true,
  session: true,
  skipUserProfile: true,
  stepUpScope: true,
  tokenStore: true,
  tokenURL: true,
  trustedOrigins: true,
  unsafelyWithoutPKCE: true,
  verify: true,
  waitUntil: true,
  webhookSecret: true,
}

const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8')
const [, section = ''] = /^## Options$([^]*?)^## /m.exec(readme) ?? []
const rows = section.split('\n').filter((line) => line.startsWith('| `'))
const columns = rows.map((row) =>
  row.split('|').map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string)),
)

test('every option is in the README, and every option there exists', () => {
  const documented = columns.flatMap(([, names = []]) => names)
  expect(documented.toSorted()).toEqual(Object.keys(options).toSorted())
})

test('every environment variable is in the README, beside its option, and every variable there is read', () => {
  const documented = columns.flatMap(([, names = [], read = []]) =>
    read.map((variable, i) => [names[i], variable]),
  )
  expect(Object.fromEntries(documented)).toEqual(variables)
})
