import { inspect } from 'node:util'
import { ConfigurationError, type PostgresClient, PostgresTokenStore } from '../../src'
import { margin } from '../support/margin'
import { type PostgresServer, describeWithPostgres, startPostgres } from '../support/postgres'
import { startRelay } from '../support/relay'
import { closeAfterEach, closeLater, failureOf, userPool } from '../support/postgres-teardown'

closeAfterEach()

let tables = 0

function open(client: PostgresClient | string): PostgresTokenStore {
  const store = new PostgresTokenStore(client, { table: `t${++tables}` })
  closeLater(() => store.close())
  return store
}

describeWithPostgres('PostgresTokenStore', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  async function relayed(target = server) {
    const relay = await startRelay(target.port)
    closeLater(() => relay.close())
    return { relay, url: server.url.replace(String(server.port), String(relay.port)) }
  }

  test('a server that became a standby is not read any more, and left for the primary', async () => {
    const { relay, url } = await relayed()
    const store = open(userPool(url, { max: 2 }))
    await store.create('grant:a', 'one', 60_000)
    const standby = await server.follow()
    relay.target = standby.port
    relay.cut()
    const isReplica = /is a replica: nothing can be written, and reads are stale$/
    // "No value" would be a logout.
    await store.get('grant:a').catch(() => {}) // This one may meet a connection that was cut.
    for (const key of ['grant:a', 'grant:none'])
      expect((await failureOf(store.get(key))).message).toMatch(isReplica)
    for (const write of [store.create('grant:b', 'one', 60_000), store.delete('grant:a')])
      expect((await failureOf(write)).message).toMatch(/read-only transaction \(25006\)$/)
    // No connection is cut: each was closed for what its server said.
    relay.target = server.port
    expect(await store.get('grant:a')).toBe('one')
    expect(await store.create('grant:b', 'one', 60_000)).toBe(true)
    await standby.stop()
  })

  test('a server that is a standby from the start is rejected', async () => {
    const standby = await server.follow()
    for (const work of [open(standby.url).get('grant:a'), open(standby.url).create('grant:a', 'one', 1)])
      expect((await failureOf(work)).message).toContain('is a replica')
    await standby.stop()
  })

  test('a write fails in time while its synchronous standby is away, and may take effect afterwards', async () => {
    const store = open(server.url)
    await store.create('grant:a', 'one', 60_000)
    const set = async (standbys: string) => {
      await server.admin.query(`ALTER SYSTEM SET synchronous_standby_names = '${standbys}'`)
      await server.admin.query('SELECT pg_reload_conf()')
    }
    await set('*')
    const isSet = `SELECT 1 FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = '*'`
    while ((await server.admin.query(isSet)).rows.length === 0);
    // A new connection has surely read it.
    const all = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'passport-pagerduty'`
    await server.admin.query(all)
    await store.get('grant:a').catch(() => {})
    let took = 0
    const startedAt = performance.now()
    const failure = await failureOf(store.delete('grant:a')).finally(
      () => (took = performance.now() - startedAt),
    )
    const before = await store.get('grant:a')
    await set('') // First: every other test would wait for a standby.
    expect(failure.message).toBe('PostgreSQL did not respond within a second')
    expect(took).toBeLessThan(3_000 + margin)
    expect(before).toBe('one')
    while ((await store.get('grant:a')) !== undefined);
  })

  test('a connection that may not write is replaced, and the next one may', async () => {
    await server.admin.query('CREATE ROLE read_only LOGIN SUPERUSER')
    const store = open(userPool(server.url.replace('postgres@', 'read_only@'), { max: 1 }))
    await store.create('grant:a', 'one', 60_000)
    await server.admin.query('ALTER ROLE read_only SET default_transaction_read_only = on')
    await server.admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'read_only'`,
    )
    await store.get('grant:a').catch(() => {})
    expect(await store.get('grant:a')).toBe('one')
    expect((await failureOf(store.delete('grant:a'))).message).toBe(
      'delete() of the PostgreSQL store failed: cannot execute SELECT in a read-only transaction (25006)',
    )
    await server.admin.query('ALTER ROLE read_only RESET default_transaction_read_only')
    expect(await store.delete('grant:a')).toBe(true)
  })

  test.each([
    ['an open', 'SELECT 1'],
    ['a failed', 'SELECT 1 / 0'],
  ])('a client that the app left in %s transaction is not used for a write', async (_what, sql) => {
    const pool = userPool(server.url, { max: 1 })
    const store = open(pool)
    await store.get('grant:a')
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query(sql).catch(() => {})
    client.release()
    expect(await store.create('grant:a', 'one', 60_000)).toBe(true)
    await pool.query('ROLLBACK')
    expect(await store.get('grant:a')).toBe('one')
    expect(pool.totalCount).toBe(1)
  })

  test('an older pg, which does not say so, gets rid of a failed transaction with one failure', async () => {
    const pool = userPool(server.url, { max: 1 })
    pool.on('connect', (client) => Object.assign(client, { getTransactionStatus: undefined }))
    const store = open(pool)
    await store.create('grant:a', 'one', 60_000)
    const client = await pool.connect()
    await client.query('BEGIN; SELECT 1 / 0').catch(() => {})
    client.release()
    expect((await failureOf(store.get('grant:a'))).message).toMatch(/transaction is aborted.*\(25P02\)$/)
    expect(await store.get('grant:a')).toBe('one')
  })

  describe('says what kind of failure it is:', () => {
    const reasonOf = async (store: PostgresTokenStore) => {
      const failure = await failureOf(store.get('grant:canary'))
      expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain('canary')
      return failure.message.replace('getMany() of the PostgreSQL store failed: ', '')
    }

    test('TLS that the server does not have, and a file that is not there', async () => {
      const url = server.url.replace('postgres@', 'postgres:canary@')
      expect(await reasonOf(open(`${url}?sslmode=verify-full`))).toBe(
        'The server does not support SSL connections',
      )
      expect(await reasonOf(open(`${url}?sslrootcert=/none.pem`))).toMatch(/^ENOENT: .* \(ENOENT\)$/)
    })

    test('a pool that was ended', async () => {
      const pool = userPool(server.url)
      await pool.end()
      expect(await reasonOf(open(pool))).toBe('Cannot use a pool after calling end on the pool')
    })

    test('a pool that has no client to give', async () => {
      const pool = userPool(server.url, { max: 1, connectionTimeoutMillis: 100 })
      const client = await pool.connect()
      expect(await reasonOf(open(pool))).toBe('timeout exceeded when trying to connect')
      client.release()
    })

    test('a password that is missing', async () => {
      const pool = {
        query: () =>
          Promise.reject(new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string')),
      }
      expect(await reasonOf(open(pool))).toMatch(/^SASL: .* password must be a string$/)
    })

    test('a user that is denied, without the name', async () => {
      const denied = (message: string) =>
        Object.assign(new Error(message), { severity: 'FATAL', code: '28P01' })
      const pool = { query: () => Promise.reject(denied('password authentication failed for user "canary"')) }
      expect(await reasonOf(open(pool))).toBe('password authentication failed for the user (28P01)')
    })

    test('but nothing of what another client says', async () => {
      for (const message of ['grant:canary failed', 'Client canary', 'timeout of "canary"', 'SASL canary=x'])
        expect(await reasonOf(open({ query: () => Promise.reject(new Error(message)) }))).toBe('Error')
    })
  })

  test('a table of that name which is another one is left as it is', async () => {
    const store = open(server.url)
    await server.admin.query(`CREATE TABLE t${tables} (key text, data text)`)
    const failure = await failureOf(store.create('grant:a', 'one', 60_000))
    expect(failure.message).toBe(
      `"table" "t${tables}" is there, and is not of a token store: it has no value and no expires_at`,
    )
    expect(failure.hint).toContain('"prefix"')
    const { rows } = await server.admin.query(`SELECT * FROM t${tables}`)
    expect(rows).toEqual([])
    const index = await server.admin.query(`SELECT to_regclass('t${tables}_expires_at') AS index`)
    expect(index.rows).toEqual([{ index: null }])
  })
})

test('several hosts are rejected: pg would look up one of that name', () => {
  for (const url of ['postgres://user:canary@one,two/app', 'postgres://user:canary@one:1,two:2/app']) {
    const make = () => new PostgresTokenStore(url)
    expect(make).toThrow(ConfigurationError)
    expect(make).toThrow(/one host/)
    expect(make).not.toThrow(/canary/)
  }
})
