import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PagerDutyOptions, Routes, SessionOptions } from '../../src'
import { variables } from '../../src/environment'

/** The compiler sees to it that these have every option and member, and no other. */
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
  from: true,
  identityURL: true,
  issuer: true,
  jwksURL: true,
  label: true,
  logger: true,
  mcpURL: true,
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
const ofSession: Record<keyof SessionOptions, true> = {
  absolute: true,
  cookie: true,
  idle: true,
  name: true,
  shouldTouch: true,
}
const ofRoutes: Record<keyof Routes, true> = { home: true, login: true, logout: true }

const page = readFileSync(join(__dirname, '../../docs/configuration.md'), 'utf8')
/** Of each heading of an option: its name, and the line below with type, default or "required", and variable. */
const sections = [...page.matchAll(/^### `(.+)`\n\n(.*)$/gm)].map(([, name = '', facts = '']) => ({
  name,
  facts,
}))
const members = [
  ...Object.keys(ofSession).map((member) => `session.${member}`),
  ...Object.keys(ofRoutes).map((member) => `routes.${member}`),
]

test('every option has a section of the page on configuration, and every section there is of an option', () => {
  const documented = sections.map(({ name }) => name)
  expect(documented.toSorted()).toEqual([...Object.keys(options), ...members].toSorted())
})

test('every section says type, default or that the option is required, and variable', () => {
  const incomplete = sections.filter(
    ({ facts }) => !/^\S.* · (default|required).* · (`[A-Z_]+`|no variable)$/.test(facts),
  )
  expect(incomplete).toEqual([])
})

test('every environment variable is in the section of its option, and every variable there is read', () => {
  const documented = sections.flatMap(({ name, facts }) => {
    const [, variable] = /`([A-Z_]+)`$/.exec(facts) ?? []
    return variable === undefined ? [] : [[name, variable]]
  })
  expect(Object.fromEntries(documented)).toEqual(variables)
})

test('the overview of the page has every option', () => {
  const [overview = ''] = page.split('\n## ', 1)
  const rows = overview.split('\n').filter((line) => line.startsWith('| ['))
  const linked = rows.flatMap((row) => [...row.matchAll(/\[`(\w+)`\]\(#(\w+)\)/g)])
  expect(linked.map(([, name]) => String(name)).toSorted()).toEqual(Object.keys(options).toSorted())
  expect(linked.filter(([, name, anchor]) => name?.toLowerCase() !== anchor)).toEqual([])
})
