import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import { ConfigurationError, type PostgresClient, PostgresTokenStore, TokenStoreError } from '../../src'
import { testTokenStore } from '../../src/testing'
import {
  type PostgresServer,
  describeWithPgBouncer,
  describeWithPostgres,
  startPgBouncer,
  startPostgres,
} from '../support/postgres'
import { patient, patiently } from '../support/patiently'
import { type Relay, startRelay } from '../support/relay'
import { margin } from '../support/margin'
import { closeAfterEach, closeLater, failureOf, userPool } from '../support/postgres-teardown'

closeAfterEach()

let tables = 0

/** A store that ends with the test, in a table of its own unless it is named. */
function open(client: PostgresClient | string, table = `t${++tables}`): PostgresTokenStore {
  const store = new PostgresTokenStore(client, { table })
  closeLater(() => store.close())
  return store
}

/** Until a condition holds, which nothing announces. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('The condition never held')
}

describeWithPostgres('PostgresTokenStore', () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  async function relayed(): Promise<{ relay: Relay; url: string }> {
    const relay = await startRelay(server.port)
    closeLater(() => relay.close())
    return { relay, url: server.url.replace(String(server.port), String(relay.port)) }
  }

  /** Until what was sent over connections that were dropped is over in the server, too. */
  async function settled(what: string): Promise<void> {
    const busy = `SELECT 1 FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE $1 AND pid <> pg_backend_pid()`
    await until(async () => (await server.admin.query(busy, [`%${what}%`])).rows.length === 0)
  }

  describe('over a URL', () => {
    const relays = new WeakMap<object, [Relay, string]>()
    testTokenStore(
      async () => {
        const { relay, url } = await relayed()
        const table = `t${++tables}`
        const store = open(url, table)
        relays.set(store, [relay, table])
        return store
      },
      {
        test: patiently,
        another: (store) => open(server.url, relays.get(store)?.[1]),
        disconnect(store) {
          const [relay] = relays.get(store) as [Relay, string]
          relay.mode = 'blackhole'
        },
      },
    )
  })

  describe.each(['repeatable read', 'serializable'])('over a pool that is %s', (level) => {
    const options = `-c default_transaction_isolation=${level.replace(' ', '\\ ')}`
    testTokenStore(() => open(userPool(server.url, { options, max: 4 })), {
      test: patiently,
      another: () => open(userPool(server.url, { options, max: 4 }), `t${tables}`),
    })
  })

  test(
    'instances that start at once make one table',
    patient(async () => {
      const pools = Array.from({ length: 8 }, () => userPool(server.url, { max: 1 }))
      await Promise.all(pools.map((pool) => pool.query('SELECT 1')))
      for (let round = 0; round < 5; round++) {
        const table = `t${++tables}`
        const stores = pools.map((pool) => open(pool, table))
        const won = await Promise.all(stores.map((store) => store.create('lock:a', 'one', 60_000)))
        expect(won.filter(Boolean)).toHaveLength(1)
      }
    }),
  )

  test('a table may have a schema, and a name is never more than a name', async () => {
    await server.admin.query('CREATE SCHEMA "Own"')
    const store = open(server.url, 'Own.Tokens')
    expect(await store.create('grant:a', 'one', 60_000)).toBe(true)
    expect((await server.admin.query('SELECT * FROM "Own"."Tokens"')).rows).toHaveLength(1)
    for (const table of ['a"b', 'a.b.c', '1a', '', 'a'.repeat(49), 'a b', 'a;', 1 as never])
      expect(() => open(server.url, table)).toThrow(ConfigurationError)
  })

  test('connections that the server has ended are replaced', async () => {
    const store = open(userPool(server.url, { max: 2 }))
    await store.create('grant:a', 'one', 60_000)
    const ended = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()'
    const reads = Promise.allSettled(Array.from({ length: 50 }, () => store.get('grant:a')))
    await server.admin.query(ended)
    const outcomes = (await reads).map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : outcome.reason instanceof TokenStoreError,
    )
    expect(outcomes.filter((outcome) => outcome !== 'one' && outcome !== true)).toEqual([])
    await until(async () => (await store.get('grant:a').catch(() => '')) === 'one')
    expect(await store.replace('grant:a', 'one', 'two')).toBe(true)
  })

  test('while the server is down everything rejects in time, and afterwards all is as before', async () => {
    const store = open(server.url)
    await store.create('grant:a', 'one', 60_000)
    await server.crash()
    const startedAt = performance.now()
    await Promise.all([failureOf(store.get('grant:a')), failureOf(store.create('grant:b', 'one', 60_000))])
    const failure = await failureOf(store.delete('grant:a'))
    expect(failure.message).toMatch(
      /delete\(\) of the PostgreSQL store failed: connect ECONNREFUSED 127.0.0.1:\d+ \(ECONNREFUSED\)$/,
    )
    expect(performance.now() - startedAt).toBeLessThan(3_000 + margin)
    await server.start()
    expect(await store.get('grant:a')).toBe('one')
  })

  test('a write that was sent to a server that stood still changes nothing when it goes on', async () => {
    const pool = userPool(server.url)
    const store = open(pool)
    await store.create('grant:a', 'one', 60_000)
    const { rows } = await pool.query('SELECT pg_backend_pid() AS pid')
    server.freeze()
    const late = Promise.all([
      failureOf(store.create('grant:b', 'late', 60_000)),
      failureOf(store.replace('grant:a', 'one', 'late')),
      failureOf(store.delete('grant:a')),
    ])
    await late
    server.thaw()
    await settled(`"t${tables}"`)
    // It has read what it was sent, and has seen that its client is gone.
    const backend = 'SELECT 1 FROM pg_stat_activity WHERE pid = $1'
    await until(async () => (await server.admin.query(backend, [rows[0].pid])).rows.length === 0)
    expect(await store.getMany(['grant:a', 'grant:b'])).toEqual(['one', undefined])
  })

  test.each([
    ['row', (table: string) => `BEGIN; UPDATE ${table} SET expires_at = expires_at`],
    ['table', (table: string) => `BEGIN; LOCK TABLE ${table}`],
  ])('a write that waited for the lock of a %s changes nothing when it is free', async (_what, lock) => {
    const store = open(server.url)
    await store.create('grant:a', 'one', 60_000)
    const other = await server.admin.connect()
    await other.query(lock(`t${tables}`))
    await Promise.all([
      failureOf(store.create('grant:b', 'late', 60_000)).catch(() => {}),
      failureOf(store.replace('grant:a', 'one', 'late')),
      failureOf(store.delete('grant:a')),
    ])
    await other.query('ROLLBACK')
    other.release()
    await settled(`"t${tables}"`)
    expect(await store.get('grant:a')).toBe('one')
  })

  test('a write that waited for a client of the pool is not sent afterwards', async () => {
    const pool = userPool(server.url, { max: 1 })
    const store = open(pool)
    await store.create('grant:a', 'one', 60_000)
    const client = await pool.connect()
    await failureOf(store.delete('grant:a'))
    client.release()
    expect(await store.get('grant:a')).toBe('one')
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 1, 0])
  })

  test('silent connections of a pool are dropped, so that nothing is missing when the network is back', async () => {
    const { relay, url } = await relayed()
    const pool = userPool(url, { max: 2, connectionTimeoutMillis: 1_000 })
    const store = open(pool)
    await store.create('grant:a', 'one', 60_000)
    relay.mode = 'blackhole'
    await Promise.all([1, 2, 3, 4].map(() => failureOf(store.get('grant:a'))))
    relay.mode = 'pass'
    expect(await Promise.all([1, 2, 3, 4].map(() => store.get('grant:a')))).toEqual(Array(4).fill('one'))
  })

  test('a connection that is reset under a query fails that query, and nothing else', async () => {
    const { relay, url } = await relayed()
    const store = open(userPool(url))
    await store.create('grant:a', 'one', 60_000)
    relay.delay = 100
    const failed = failureOf(store.get('grant:a'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    relay.cut()
    expect((await failed).message).toMatch(/^getMany\(\) of the PostgreSQL store failed: /)
    relay.delay = 0
    expect(await store.get('grant:a')).toBe('one')
  })

  test('a reply that was lost is no "no", and nothing is sent again', async () => {
    const { relay, url } = await relayed()
    const store = open(url)
    await store.create('grant:a', 'one', 60_000)
    relay.mode = 'dropReplies'
    await failureOf(store.replace('grant:a', 'one', 'two'))
    relay.mode = 'pass'
    expect(await store.get('grant:a')).toBe('two')
    expect(await store.replace('grant:a', 'two', 'three')).toBe(true)
  })

  test('a disk that is full is reported without what was to be written', async () => {
    const store = open(server.url)
    await store.create('grant:a', 'one', 60_000)
    await server.admin.query(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100', DETAIL = NEW.value; END $$`)
    await server.admin.query(
      `CREATE TRIGGER full_disk BEFORE INSERT ON t${tables} FOR EACH ROW EXECUTE FUNCTION full_disk()`,
    )
    const failure = await failureOf(store.create('grant:canary', 'canary', 60_000))
    expect(failure.message).toBe(
      'create() of the PostgreSQL store failed: could not extend file: No space left on device (53100)',
    )
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain('canary')
    expect(await store.get('grant:a')).toBe('one')
  })

  test('a message that may repeat a row is left out', async () => {
    const store = open(server.url)
    await store.get('grant:a')
    await server.admin.query(`ALTER TABLE t${tables} ADD CHECK (value <> 'canary')`)
    await server.admin.query(`ALTER TABLE t${tables} ADD CONSTRAINT canary CHECK (value <> 'canary2')`)
    for (const value of ['canary', 'canary2']) {
      const failure = await failureOf(store.create('grant:canary', value, 60_000))
      expect(failure.message).toBe('create() of the PostgreSQL store failed: error 23514')
      expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain('canary')
    }
  })

  test('a role that may not create the table gets the SQL that does', async () => {
    await server.admin.query('CREATE ROLE app LOGIN; REVOKE CREATE ON SCHEMA public FROM public')
    const store = open(server.url.replace('postgres@', 'app:canary@'))
    const failure = await failureOf(store.get('grant:a'))
    expect(failure.message).toBe(
      'getMany() of the PostgreSQL store failed: permission denied for schema public (42501)',
    )
    const sql = failure.hint?.slice(failure.hint.indexOf('CREATE')) as string
    await server.admin.query(sql)
    expect((await failureOf(store.get('grant:a'))).message).toContain(
      `permission denied for table t${tables}`,
    )
    await server.admin.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON t${tables} TO app`)
    expect(await store.create('grant:a', 'one', 60_000)).toBe(true)
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain('canary')
  })

  test('a schema that is missing is made by the hint as well', async () => {
    const store = new PostgresTokenStore(server.url, { table: `apps.t${tables}` })
    const failure = await failureOf(store.get('grant:a'))
    await server.admin.query(failure.hint?.slice(failure.hint.indexOf('CREATE')) as string)
    expect(await store.create('grant:a', 'one', 60_000)).toBe(true)
    await store.close()
  })

  test('a table that is dropped is made again', async () => {
    const store = open(server.url)
    await store.create('grant:a', 'one', 60_000)
    await server.admin.query(`DROP TABLE t${tables}`)
    await failureOf(store.get('grant:a'))
    expect(await store.get('grant:a')).toBeUndefined()
  })

  test('another server with another clock takes over, and no write is lost', async () => {
    let shift = 0
    const pool = userPool(server.url)
    const shifted: PostgresClient = {
      async query(text, values) {
        const isWrite = text.includes('in_time')
        const all = isWrite ? [(values[0] as number) - shift, ...values.slice(1)] : values
        const { rows } = await pool.query<{ now?: number }>(text, all)
        return { rows: rows.map((row) => (row.now === undefined ? row : { ...row, now: row.now + shift })) }
      },
    }
    const store = open(shifted)
    for (shift of [0, 3_600_000, -3_600_000, 0, 5_000])
      expect(await store.create(`grant:${shift}:${tables++}`, 'one', 60_000)).toBe(true)
  })

  test('expired rows are deleted, however many, except those that are locked', async () => {
    jest.useFakeTimers({
      doNotFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'nextTick', 'performance', 'Date'],
    })
    const store = open(server.url)
    await store.create('grant:living', 'one', 60_000)
    const table = `t${tables}`
    await server.admin.query(
      `INSERT INTO ${table} SELECT 'grant:' || i, 'one', now() - interval '1 minute' FROM generate_series(1, 1000) i`,
    )
    const other = await server.admin.connect()
    await other.query(`BEGIN; SELECT * FROM ${table} WHERE key = 'grant:500' FOR UPDATE`)
    jest.advanceTimersByTime(61_000)
    jest.useRealTimers()
    const keys = async () => {
      const { rows } = await server.admin.query<{ key: string }>(`SELECT key FROM ${table} ORDER BY key`)
      return rows.map(({ key }) => key).join()
    }
    await until(async () => (await keys()).length < 30)
    expect(await keys()).toBe('grant:500,grant:living')
    await other.query('ROLLBACK')
    other.release()
  })

  test('closing ends a pool of its own only', async () => {
    const pool = userPool(server.url)
    await open(pool).close()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const own = open(server.url)
    await own.get('grant:a')
    await own.close()
    const left = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'passport-pagerduty'`
    await until(async () => (await server.admin.query(left)).rows.length === 0)
    await failureOf(own.get('grant:a'))
  })
})

describeWithPgBouncer('PostgresTokenStore through PgBouncer in transaction mode', () => {
  let server: PostgresServer
  let bouncer: Awaited<ReturnType<typeof startPgBouncer>>

  beforeAll(async () => {
    server = await startPostgres()
    bouncer = await startPgBouncer(server.port)
  })
  afterAll(async () => {
    await bouncer.stop()
    await server.stop()
  })

  testTokenStore(() => open(bouncer.url), { another: () => open(bouncer.url, `t${tables}`) })

  test('leaves no setting behind for the other clients of its connections', async () => {
    await open(bouncer.url).create('grant:a', 'one', 60_000)
    const pool = userPool(bouncer.url)
    expect((await pool.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
  })

  test('a write that waited there for a connection changes nothing when there is one', async () => {
    const store = open(bouncer.url)
    await store.create('grant:a', 'one', 60_000)
    const others = await Promise.all([1, 2, 3].map(() => userPool(bouncer.url).connect()))
    await Promise.all(others.map((other) => other.query('BEGIN')))
    await failureOf(store.delete('grant:a'))
    for (const other of others) {
      await other.query('ROLLBACK')
      other.release()
    }
    expect(await store.get('grant:a')).toBe('one')
  })
})

test('PostgresTokenStore over PGlite passes the battery', async () => {
  const program = join(__dirname, '../support/pglite-battery.ts')
  const parameters = ['--require', 'esbuild-register', program]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, parameters)
  process.stderr.write(stderr)
  const { tests, failed } = JSON.parse(stdout) as { tests: number; failed: string[] }
  expect(failed).toEqual([])
  expect(tests).toBeGreaterThan(20)
})

describe('PostgresTokenStore rejects at start-up', () => {
  test.each([
    'http://a',
    'postgres//a',
    'postgres://user:canary@a b',
    'postgres://user:canary@a:99999/',
    '',
    1,
    {},
    null,
  ])('what is neither a URL nor a pool: %p', (client) => {
    const make = () => new PostgresTokenStore(client as never)
    expect(make).toThrow(ConfigurationError)
    expect(make).not.toThrow(/canary/)
  })

  test('a URL where pg is not installed', () => {
    jest.doMock('pg', () => {
      throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' })
    })
    const make = () => new PostgresTokenStore('postgres://127.0.0.1/app')
    expect(make).toThrow('needs the package pg')
    expect(make).toThrow(expect.objectContaining({ hint: 'Install it: npm install pg' }))
    jest.dontMock('pg')
  })
})
