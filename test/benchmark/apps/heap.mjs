// Bytes of heap that so many grants take in memory, with their sessions.
import { randomBytes, randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { MemoryTokenStore } from 'passport-pagerduty'

const dist = (file) => createRequire(import.meta.url)(`../node_modules/passport-pagerduty/dist/${file}.js`)
const { GrantRepository } = dist('grants/grant-repository')
const { KeyRing } = dist('store/encryption')
const { TokenSet } = dist('oauth/token-set')
const { storedSessions } = dist('sessions/session-storage')

const store = new MemoryTokenStore()
const repository = new GrantRepository(store, new KeyRing(randomBytes(32).toString('base64url')))
const sessions = storedSessions(store)
const hour = 3_600_000
const names = [
  'incidents',
  'users',
  'services',
  'schedules',
  'teams',
  'oncalls',
  'tags',
  'vendors',
  'licenses',
  'addons',
]
const scope = names.map((name) => `${name}.read`)

globalThis.gc()
const before = process.memoryUsage().heapUsed
for (let number = Number(process.argv[2]); number > 0; number--) {
  const id = randomBytes(16).toString('base64url')
  const now = Date.now()
  const apiURL = 'https://api.pagerduty.com'
  const user = {
    id: 'PACME01',
    accountID: 'PACME00',
    subdomain: 'acme',
    region: 'us',
    apiURL,
    delegationID: randomUUID(),
  }
  const [accessToken, refreshToken] = [`pdus+_0XBPWQQ_${randomUUID()}`, `pdus+_1XBPWQQ_${randomUUID()}`]
  const tokens = new TokenSet({
    accessToken,
    refreshToken,
    obtainedAt: now,
    expiresAt: now + 24 * hour,
    scope,
  })
  const record = {
    version: 1,
    user,
    tokens,
    requestedScopes: scope,
    absoluteEnd: now + 720 * hour,
    isKept: false,
    superseded: [],
  }
  await repository.create(id, record, 8 * hour)
  const session = JSON.stringify({
    cookie: { originalMaxAge: 720 * hour, expires: new Date(), httpOnly: true, path: '/', sameSite: 'lax' },
    pagerduty: id,
  })
  await sessions.write(`${id}.${randomBytes(24).toString('base64url')}`, session, now, 8 * hour, false)
}
globalThis.gc()
process.stdout.write(String(process.memoryUsage().heapUsed - before))
process.exit()
