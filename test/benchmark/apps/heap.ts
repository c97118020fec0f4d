// Bytes of heap that so many grants take in memory, with their sessions.
import { randomBytes, randomUUID } from 'node:crypto'
import type { SessionData } from 'express-session'
import { GrantRepository } from '../../../src/grants/grant-repository'
import { TokenSet } from '../../../src/oauth/token-set'
import { SessionStore } from '../../../src/sessions/session-store'
import { checkedTokenStore } from '../../../src/store/checked-token-store'
import { KeyRing } from '../../../src/store/encryption'
import { MemoryTokenStore } from '../../../src/store/memory-token-store'

const hour = 3_600_000
const store = checkedTokenStore(new MemoryTokenStore())
const repository = new GrantRepository(store, new KeyRing(randomBytes(32).toString('base64url')))
const sessions = new SessionStore(store, 8 * hour, (error) => {
  throw error
})
const names = 'incidents users services schedules teams oncalls tags vendors licenses addons'.split(' ')
const scope = names.map((name) => `${name}.read`)

async function main(grants: number): Promise<void> {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let number = 0; number < grants; number++) await logIn()
  globalThis.gc?.()
  process.stdout.write(String(process.memoryUsage().heapUsed - before), () => process.exit())
}

async function logIn(): Promise<void> {
  const id = randomBytes(16).toString('base64url')
  const now = Date.now()
  const tokens = new TokenSet({
    accessToken: `pdus+_0XBPWQQ_${randomUUID()}`,
    refreshToken: `pdus+_1XBPWQQ_${randomUUID()}`,
    obtainedAt: now,
    expiresAt: now + 24 * hour,
    scope,
  })
  const user = {
    id: 'PACME01',
    accountID: 'PACME00',
    subdomain: 'acme',
    region: 'us' as const,
    apiURL: 'https://api.pagerduty.com',
    delegationID: randomUUID(),
  }
  const record = {
    version: 1,
    user,
    tokens,
    requestedScopes: scope,
    createdAt: now,
    lastUsedAt: now,
    label: undefined,
    absoluteEnd: now + 720 * hour,
    isKept: false,
    appUser: undefined,
    superseded: [],
  }
  await repository.create(id, record, 8 * hour)
  const cookie = {
    originalMaxAge: 720 * hour,
    expires: new Date(),
    httpOnly: true,
    path: '/',
    sameSite: 'lax',
  }
  const sessionID = `${id}.${randomBytes(24).toString('base64url')}`
  const data = { cookie, pagerduty: id } as unknown as SessionData
  await new Promise<void>((resolve, reject) => {
    sessions.set(sessionID, data, (error) => (error ? reject(error as Error) : resolve()))
  })
}

void main(Number(process.argv[2]))
