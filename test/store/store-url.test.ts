import { inspect } from 'node:util'
import { existsSync, mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import cluster from 'node:cluster'
import { ConfigurationError, MemoryTokenStore, type PagerDutyOptions, pagerduty } from '../../src'
import { withEnvironment } from '../../src/environment'
import { openStore } from '../../src/store/open-store'
import { sqlitePathOf, storeKindOf } from '../../src/store/store-url'
import { startPagerDuty } from '../../src/testing'
import { startDropIn } from '../support/drop-in'
import { type PostgresServer, describeWithPostgres, startPostgres } from '../support/postgres'
import { describeWithRedis, startRedis } from '../support/redis'
import { describeWithSQLite, rawConnection } from '../support/sqlite'

const secret = 'a secret of thirty-two characters or more, for tests'
const good = {
  clientID: 'a',
  clientSecret: 'b',
  callbackURL: 'https://app.example/cb',
  scope: 'users.read',
  secret,
}
const reports = { warn: jest.fn(), failed: jest.fn() }

afterEach(() => {
  jest.restoreAllMocks()
  jest.clearAllMocks()
})

test.each([
  ['memory:', 'memory'],
  ['sqlite:./var/pagerduty.db', 'sqlite'],
  ['sqlite:///var/a folder/pagerduty.db', 'sqlite'],
  ['SQLITE:pagerduty.db', 'sqlite'],
  ['postgres://user:password@host/database', 'postgres'],
  ['postgresql:///database?host=/run/postgresql', 'postgres'],
  ['redis://host', 'redis'],
  ['rediss://host', 'redis'],
  ['valkey://host', 'redis'],
  ['valkeys://host', 'redis'],
])('%s is a store of the kind %s', (url, kind) => {
  expect(storeKindOf(url)).toBe(kind)
})

test.each([
  './pagerduty.db',
  'mysql://user:canary@host',
  'https://canary',
  '',
  'constructor:',
  ' redis://canary',
  'redis://can ary',
])('%p is no store, and is not repeated', (url) => {
  const make = () => pagerduty({ ...good, tokenStore: url })
  expect(make).toThrow(expect.objectContaining({ name: 'ConfigurationError', option: 'tokenStore' }))
  expect(make).not.toThrow(/canary/)
  expect(make).toThrow(/begins with memory:, sqlite:, postgres:/)
})

test.each([
  ['sqlite:./var/pagerduty.db', './var/pagerduty.db'],
  ['sqlite:pagerduty.db', 'pagerduty.db'],
  ['sqlite:/var/pagerduty.db', '/var/pagerduty.db'],
  ['sqlite:///var/100%.db', '/var/100%.db'],
])('%s is the file %s', (url, path) => {
  expect(sqlitePathOf(url)).toBe(path)
})

test.each(['sqlite:', 'sqlite://var/pagerduty.db', 'sqlite:////host/share'])('%s names no file', (url) => {
  expect(() => sqlitePathOf(url)).toThrow(ConfigurationError)
})

describe('of two stores', () => {
  const file = 'sqlite:./pagerduty.db'
  const environment = { PAGERDUTY_TOKEN_STORE: file, REDIS_URL: 'redis://127.0.0.1:9' }
  const chosen = (options: PagerDutyOptions) => {
    const { tokenStore, redis } = withEnvironment(options, environment)
    return { tokenStore, redis }
  }

  test('an option wins over both variables', () => {
    expect(chosen({ tokenStore: 'memory:' })).toEqual({ tokenStore: 'memory:', redis: undefined })
    expect(chosen({ redis: 'redis://mine' })).toEqual({ tokenStore: undefined, redis: 'redis://mine' })
  })

  test('two options are refused, and two variables', () => {
    const message = /"tokenStore" and "redis" are both given/
    const both = { ...good, tokenStore: new MemoryTokenStore(), redis: 'redis://user:canary@127.0.0.1:9' }
    expect(() => pagerduty(both)).toThrow(message)
    expect(() => pagerduty(both)).not.toThrow(/canary/)
    jest.replaceProperty(process, 'env', { ...process.env, ...environment })
    expect(() => pagerduty(good)).toThrow(message)
    expect(() => pagerduty(good)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('REDIS_URL') }),
    )
  })
})

test('a prefix is refused where it would tell nothing apart', () => {
  for (const tokenStore of [new MemoryTokenStore(), 'memory:'])
    expect(() => pagerduty({ ...good, tokenStore, prefix: 'mine:' })).toThrow(/"prefix" has no effect/)
})

test.each([
  'redis://:canary/x@127.0.0.1',
  'redis://:canary#x@127.0.0.1',
  'redis://:canary@127.0.0.1:99999',
  'redis://:canary%zz@127.0.0.1',
  'redis://:canary@127.0.0.1/first',
])('a Redis URL that cannot be one is refused without its password: %s', (tokenStore) => {
  const refusal = failureOf(() => pagerduty({ ...good, tokenStore }))
  expect(refusal).toBeInstanceOf(ConfigurationError)
  expect(inspect(refusal, { depth: 9, showHidden: true })).not.toContain('canary')
})

function failureOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

test('memory: is refused in a cluster, as no store is', () => {
  jest.replaceProperty(cluster, 'isWorker', true)
  expect(() => openStore({ tokenStore: 'memory:' }, 'pagerduty', reports)).toThrow(/in memory in a cluster/)
})

describe('where PostgreSQL cannot be used', () => {
  test('it is reported at the start, without the password', async () => {
    const reported = new Promise<Error>((resolve) => {
      const store = openStore({ tokenStore: 'postgres://user:canary@127.0.0.1:9/app' }, 'pagerduty', {
        ...reports,
        failed: (error) => void store.close().then(() => resolve(error)),
      })
    })
    const { message } = await reported
    expect(message).toContain('connect ECONNREFUSED 127.0.0.1:9')
    expect(message).not.toContain('canary')
  })
})

/** A login, a restart of the app, and the login is still there. */
async function statusAfterRestart(tokenStore: string): Promise<number> {
  const standIn = await startPagerDuty()
  const options = { tokenStore, secret }
  const before = await startDropIn(standIn, options)
  const { browser } = await before.logIn()
  await before.close()
  const after = await startDropIn(standIn, options)
  // Another port, and the same cookie.
  const { status } = await after.get(browser, '/me')
  await after.close()
  await standIn.close()
  return status
}

describeWithSQLite('SQLite by URL', () => {
  test('a login survives a restart, in a table of the name of the instance', async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'store-url-')))
    const cwd = process.cwd()
    process.chdir(folder)
    try {
      expect(await statusAfterRestart('sqlite:./pagerduty.db')).toBe(200)
      const raw = rawConnection(join(folder, 'pagerduty.db'))
      const names = raw.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all({})
      expect(names).toEqual([{ name: 'pagerduty_tokens' }])
      raw.close()
      expect(existsSync(join(folder, 'pagerduty.db-wal'))).toBe(false)
      const other = openStore({ tokenStore: `sqlite:${folder}/pagerduty.db` }, 'pager-duty2', reports)
      await other.close()
      expect(
        rawConnection(join(folder, 'pagerduty.db')).prepare('SELECT 1 FROM pager_duty2_tokens').all({}),
      ).toEqual([])
    } finally {
      process.chdir(cwd)
    }
  })
})

describeWithPostgres('PostgreSQL by URL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  test('a login survives a restart', async () => {
    expect(await statusAfterRestart(server.url)).toBe(200)
  })
})

describeWithRedis('Redis by the URL of Valkey', () => {
  test('a login survives a restart', async () => {
    const redis = await startRedis()
    expect(await statusAfterRestart(redis.url.replace('redis', 'valkey'))).toBe(200)
    await redis.stop()
  })
})
