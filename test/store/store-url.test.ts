import { inspect } from 'node:util'
import { existsSync, mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import cluster from 'node:cluster'
import {
  ConfigurationError,
  MemoryTokenStore,
  type PagerDutyOptions,
  TokenStoreError,
  pagerduty,
} from '../../src'
import { withEnvironment } from '../../src/environment'
import { openStore } from '../../src/store/open-store'
import { unusable } from '../../src/store/store-failure'
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
  ['POSTGRES://host', 'postgres'],
  ['redis://host', 'redis'],
  ['REDIS://HOST', 'redis'],
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
])('%p is no store, and is not repeated', (url) => {
  const make = () => pagerduty({ ...good, tokenStore: url })
  expect(make).toThrow(expect.objectContaining({ name: 'ConfigurationError', option: 'tokenStore' }))
  expect(make).not.toThrow(/canary/)
  expect(make).toThrow(/begins with memory:, sqlite:, postgres:/)
})

test.each([
  ['redis://can ary', 'is a URL with whitespace in it'],
  ['redis://:can#ary@host', 'must be a URL such as redis://'],
])('%p is rejected for what is wrong with it', (url, problem) => {
  const make = () => pagerduty({ ...good, tokenStore: url })
  expect(make).toThrow(`"tokenStore" ${problem}`)
  expect(make).not.toThrow(/can.ary/)
})

test.each([
  ['sqlite:./var/pagerduty.db', './var/pagerduty.db'],
  ['sqlite:pagerduty.db', 'pagerduty.db'],
  ['sqlite:/var/pagerduty.db', '/var/pagerduty.db'],
  ['sqlite:///var/100%.db', '/var/100%.db'],
])('%s is the file %s', (url, path) => {
  expect(sqlitePathOf(url)).toBe(path)
})

test.each(['sqlite:', 'sqlite::memory:', 'sqlite://var/pagerduty.db', 'sqlite:////host/share'])(
  '%s names no file',
  (url) => {
    const make = () => pagerduty({ ...good, tokenStore: url })
    expect(make).toThrow(ConfigurationError)
    expect(make).toThrow('"tokenStore" names no file; a store in memory is "memory:"')
  },
)

test.each(['sqlite:pagerduty.db?mode=ro', 'sqlite:file:pagerduty.db?cache=shared'])(
  '%s has parameters, which no file takes',
  (url) => {
    expect(() => pagerduty({ ...good, tokenStore: url })).toThrow(/"tokenStore" takes no parameters \(\?\)/)
  },
)

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

  test('two options are rejected, and so are two variables', () => {
    const message = /"tokenStore" and "redis" \(REDIS_URL\) are both given/
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

test('a prefix is rejected where it would have no effect', () => {
  for (const tokenStore of [new MemoryTokenStore(), 'memory:'])
    expect(() => pagerduty({ ...good, tokenStore, prefix: 'mine:' })).toThrow(/"prefix" has no effect/)
})

test.each([
  'redis://:canary/x@127.0.0.1',
  'redis://:canary#x@127.0.0.1',
  'redis://:canary@127.0.0.1:99999',
  'redis://:canary%zz@127.0.0.1',
  'redis://:canary@127.0.0.1/first',
])('an invalid Redis URL is rejected without showing its password: %s', (tokenStore) => {
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

test('memory: is rejected in a cluster, just as having no store is', () => {
  jest.replaceProperty(cluster, 'isWorker', true)
  expect(() => openStore({ tokenStore: 'memory:' }, 'pagerduty', reports)).toThrow(/in memory in a cluster/)
})

describe('a store by URL that cannot be reached at the start', () => {
  test.each(['postgres://user:canary@127.0.0.1:9/app', 'redis://user:canary@127.0.0.1:9'])(
    'is a process warning without a logger or a listener: %s',
    async (tokenStore) => {
      const warn = jest.spyOn(process, 'emitWarning')
      const warned = new Promise<void>((resolve) => warn.mockImplementation(() => resolve()))
      const pd = pagerduty({ ...good, tokenStore })
      await warned.finally(() => pd.close())
      expect(warn.mock.calls).toEqual([
        [
          expect.stringMatching(/^(PostgreSQL|Redis) at 127.0.0.1:9 .*ECONNREFUSED.*doctor/),
          { code: 'PASSPORT_PAGERDUTY' },
        ],
      ])
      expect(inspect(warn.mock.calls)).not.toContain('canary')
    },
  )

  test('is one line of the log, or an event, and no process warning', async () => {
    const processWarning = jest.spyOn(process, 'emitWarning')
    const tokenStore = 'postgres://127.0.0.1:9/app'
    const logged = await new Promise((resolve) => {
      const pd = pagerduty({
        ...good,
        tokenStore,
        logger: { warn: (line) => void pd.close().then(() => resolve(line)) },
      })
    })
    expect(logged).toMatch(/ECONNREFUSED/)
    const event = await new Promise<{ error: Error }>((resolve) => {
      const pd = pagerduty({ ...good, tokenStore })
      pd.on('warning', (detail) => void pd.close().then(() => resolve(detail)))
    })
    expect(event.error.message).toMatch(/ECONNREFUSED/)
    expect(processWarning).not.toHaveBeenCalled()
  })
})

describe('where PostgreSQL cannot be used', () => {
  test('it is reported at the start, without the password', async () => {
    const reported = new Promise<Error>((resolve) => {
      const store = openStore({ tokenStore: 'postgres://user:canary@127.0.0.1:9/app' }, 'pagerduty', {
        ...reports,
        failed: (error) => void store.close().then(() => resolve(error)),
      })
    })
    const failure = await reported
    expect(failure).toMatchObject({
      message: 'PostgreSQL at 127.0.0.1:9 cannot be used: connect ECONNREFUSED 127.0.0.1:9 (ECONNREFUSED)',
      hint: expect.stringMatching(/^Start PostgreSQL, or correct the URL.*doctor/) as string,
    })
    expect(inspect(failure)).not.toContain('canary')
  })

  test('a socket is named by its path', async () => {
    const reported = new Promise<Error>((resolve) => {
      const store = openStore({ tokenStore: 'postgres://canary@%2Fnowhere/app' }, 'pagerduty', {
        ...reports,
        failed: (error) => void store.close().then(() => resolve(error)),
      })
    })
    const { message } = await reported
    expect(message).toMatch(/^PostgreSQL at \/nowhere cannot be used: connect ENOENT/)
    expect(message).not.toContain('canary')
  })
})

describe('where Redis cannot be used', () => {
  test('host, port and reason are reported at the start, without user and password', async () => {
    const reported = new Promise<Error>((resolve) => {
      const store = openStore({ redis: 'redis://canary:canary@127.0.0.1:9/1' }, 'pagerduty', {
        ...reports,
        failed: (error) => void store.close().then(() => resolve(error)),
      })
    })
    const failure = await reported
    expect(failure).toMatchObject({
      message: 'Redis at 127.0.0.1:9 cannot be used: connect ECONNREFUSED 127.0.0.1:9',
      hint: expect.stringMatching(/^Start Redis, or correct the URL.*doctor/) as string,
    })
    expect(inspect(failure)).not.toContain('canary')
  })

  test('a host with several addresses is reported with the reason of each', () => {
    const refused = ['::1', '127.0.0.1'].map((host) => new Error(`connect ECONNREFUSED ${host}:9`))
    const failure = new TokenStoreError('get() failed', new AggregateError(refused))
    expect(unusable('Redis', 'redis://localhost:9', 6379, failure).message).toBe(
      'Redis at localhost:9 cannot be used: connect ECONNREFUSED ::1:9, connect ECONNREFUSED 127.0.0.1:9',
    )
  })
})

/** A login, a restart of the app, and the login is still there. */
async function statusAfterRestart(tokenStore: string): Promise<number> {
  const simulator = await startPagerDuty()
  const options = { tokenStore, secret }
  const before = await startDropIn(simulator, options)
  const { browser } = await before.logIn()
  await before.close()
  const after = await startDropIn(simulator, options)
  // Another port, and the same cookie.
  const { status } = await after.get(browser, '/me')
  await after.close()
  await simulator.close()
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
  })
  afterAll(() => server.stop())

  test('a login survives a restart', async () => {
    expect(await statusAfterRestart(server.url)).toBe(200)
    expect(await statusAfterRestart(server.url.replace('postgres:', 'POSTGRES:'))).toBe(200)
  })
})

describeWithRedis('Redis by the URL of Valkey, and in capitals', () => {
  test('a login survives a restart', async () => {
    const redis = await startRedis()
    expect(await statusAfterRestart(redis.url.replace('redis', 'valkey'))).toBe(200)
    expect(await statusAfterRestart(redis.url.replace('redis', 'REDIS'))).toBe(200)
    await redis.stop()
  })
})
