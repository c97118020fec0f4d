import { chmodSync, existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { type JSONFinding, askDoctor, troubles } from '../support/command'
import { type PostgresServer, describeWithPostgres, startPostgres } from '../support/postgres'
import { startRelay } from '../support/relay'
import { describeWithSQLite, hasSQLite } from '../support/sqlite'

jest.setTimeout(120_000)

let simulator: Simulator
let environment: Record<string, string>

beforeAll(async () => {
  simulator = await startPagerDuty({
    clients: [
      {
        clientID: 'a',
        clientSecret: 'simulator-secret',
        redirectURIs: ['http://localhost:3000/cb'],
        scope: ['users.read'],
      },
    ],
  })
  environment = {
    ...simulator.env(),
    PAGERDUTY_CLIENT_ID: 'a',
    PAGERDUTY_CALLBACK_URL: 'http://localhost:3000/cb',
    PAGERDUTY_SCOPE: 'users.read',
    SESSION_SECRET: 'q7Zt0Kx2Vd9mWc4RbYhN8sLfE1jUaG6p',
  }
})
afterAll(() => simulator.close())

/** What is found of the store at a URL. */
async function ask(url: string, more: Record<string, string> = {}) {
  const { findings, output } = await askDoctor({ ...environment, ...more, PAGERDUTY_TOKEN_STORE: url })
  const found = (check: string) => findings.find((finding) => finding.check === check) as JSONFinding
  return { troubles: troubles(findings), found, output }
}

test.each([
  ['mysql://user:canary@host', {}, /PAGERDUTY_TOKEN_STORE must be a store, or a URL/],
  ['sqlite:', {}, /PAGERDUTY_TOKEN_STORE names no file/],
  [
    'sqlite:./a.db',
    { REDIS_URL: 'redis://user:canary@127.0.0.1:9' },
    /and "redis" \(REDIS_URL\) are both given/,
  ],
  ['redis://:p#canary@127.0.0.1', {}, /PAGERDUTY_TOKEN_STORE must be a URL such as redis:/],
  ['postgres://user:pw canary@127.0.0.1/app', {}, /PAGERDUTY_TOKEN_STORE is a URL with whitespace in it/],
])('%s is found to be no store', async (url, more, message) => {
  const { troubles: all, found, output } = await ask(url, more)
  expect(all).toContain('error token-store')
  expect(found('token-store').message).toMatch(message)
  expect(output).not.toContain('canary')
})

test('several processes may share a file or a server', async () => {
  const { troubles: all } = await ask('sqlite:./a.db', { WEB_CONCURRENCY: '4' })
  expect(all).not.toContain('error processes')
})

test('a secret is demanded where state outlives the process', async () => {
  const { troubles: all } = await ask('sqlite:./a.db', { SESSION_SECRET: '' })
  expect(all).toContain('error session-secret')
})

if (!hasSQLite) {
  test('a Node without SQLite is found', async () => {
    const { troubles: all, found } = await ask('sqlite:./a.db')
    expect(all).toEqual(['error sqlite'])
    expect(found('sqlite').remedy).toContain('Node 22.13 or newer')
  })
}

describeWithSQLite('SQLite', () => {
  const folder = () => mkdtempSync(join(tmpdir(), 'doctor-'))

  test('a URL without a file is found, and the fix says how to write one', async () => {
    expect((await ask('sqlite:')).found('token-store').remedy).toMatch(/^Write sqlite:\.\/var/)
  })

  test('a file that can be made is not made', async () => {
    const file = join(folder(), 'pagerduty.db')
    const { troubles: all, found } = await ask(`sqlite:${file}`)
    expect(all).toEqual([])
    expect(found('sqlite').message).toBe(`${file} can be made`)
    expect(existsSync(file)).toBe(false)
  })

  test('a folder that is missing is found, and a file that is no database', async () => {
    const inside = folder()
    const missing = await ask(`sqlite:${inside}/missing/pagerduty.db`)
    expect(missing.troubles).toEqual(['error sqlite'])
    expect(missing.found('sqlite').remedy).toBe(`Make it: mkdir -p ${inside}/missing`)
    const text = join(inside, 'text')
    writeFileSync(text, 'No database, and long enough to be read as one. '.repeat(99), { mode: 0o600 })
    const other = await ask(`sqlite:${text}`)
    expect(other.troubles).toEqual(['error sqlite'])
    expect(other.found('sqlite').message).toContain('file is not a database')
  })

  test('a file that others can read is found, and nothing is left beside it', async () => {
    const inside = folder()
    const file = join(inside, 'pagerduty.db')
    writeFileSync(file, '')
    chmodSync(file, 0o644)
    const { troubles: all, found } = await ask(`sqlite:${file}`)
    expect(all).toEqual(['warning sqlite-rights'])
    expect(found('sqlite-rights').message).toContain('(mode 644)')
    chmodSync(file, 0o600)
    expect((await ask(`sqlite:${file}`)).troubles).toEqual([])
    expect(readdirSync(inside)).toEqual(['pagerduty.db'])
  })
})

describeWithPostgres('PostgreSQL', () => {
  let server: PostgresServer
  const urlOf = (user: string, port = server.port) => `postgres://${user}@127.0.0.1:${port}/postgres`

  beforeAll(async () => {
    server = await startPostgres()
    await server.admin.query('CREATE ROLE app LOGIN; REVOKE CREATE ON SCHEMA public FROM public')
  })
  afterAll(() => server.stop())
  afterEach(() => server.admin.query('DROP TABLE IF EXISTS pagerduty_tokens'))

  test('nothing is wrong with a new database, and no table is made', async () => {
    const { troubles: all, found } = await ask(server.url)
    expect(all).toEqual([])
    expect(found('postgres-table')).toMatchObject({ level: 'note' })
    expect(found('postgres-version').message).toMatch(/^PostgreSQL \d+/)
    const { rows } = await server.admin.query(`SELECT to_regclass('pagerduty_tokens') AS made`)
    expect(rows).toEqual([{ made: null }])
  })

  test('a role that may not make the table is found, and what the administrator runs helps', async () => {
    const { troubles: all, found } = await ask(urlOf('app:canary'))
    expect(all).toEqual(['error postgres-table'])
    const sql = found('postgres-table').remedy?.replace('Let a role that may do so run: ', '') as string
    await server.admin.query(sql)
    const without = await ask(urlOf('app'))
    expect(without.troubles).toEqual(['error postgres-table'])
    expect(without.found('postgres-table').remedy).toContain('GRANT SELECT, INSERT, UPDATE, DELETE')
    await server.admin.query('GRANT SELECT, INSERT, UPDATE, DELETE ON pagerduty_tokens TO app')
    const right = await ask(urlOf('app'))
    expect(right.troubles).toEqual([])
    expect(right.found('postgres-table').message).toBe('The table "pagerduty_tokens" is there')
  })

  test('a table that belongs to another app is found', async () => {
    await server.admin.query('CREATE TABLE pagerduty_tokens (id int, token text)')
    const { troubles: all, found } = await ask(server.url)
    expect(all).toEqual(['error postgres-table'])
    expect(found('postgres-table').message).toContain('other columns: id integer, token text')
  })

  test('a server that cannot be used is found, with what to do, and without the password', async () => {
    const nobody = await ask(urlOf('app:canary', 9))
    expect(nobody.troubles).toEqual(['error postgres'])
    expect(nobody.found('postgres').message).toContain('PostgreSQL at 127.0.0.1:9 cannot be used')
    expect(nobody.found('postgres').remedy).toContain('Nothing listens there')
    const database = await ask(urlOf('app').replace(/postgres$/, 'none'))
    expect(database.found('postgres').remedy).toContain('CREATE DATABASE')
    const role = await ask(urlOf('unknown:canary'))
    expect(role.found('postgres').remedy).toContain('Correct user and password')
    const encrypted = await ask(`${urlOf('app')}?sslmode=require`)
    expect(encrypted.found('postgres').remedy).toContain('sslmode')
    for (const { output } of [nobody, database, role, encrypted]) expect(output).not.toContain('canary')
  })

  test('a server that says nothing is found in time, and a slow one', async () => {
    const relay = await startRelay(server.port)
    relay.mode = 'blackhole'
    const silent = await ask(urlOf('app', relay.port))
    expect(silent.troubles).toEqual(['error postgres'])
    relay.mode = 'pass'
    relay.delay = 40
    const slow = await ask(urlOf('postgres', relay.port))
    expect(slow.troubles).toEqual(['warning postgres-latency'])
    await relay.close()
  })

  test('a database of another encoding is found', async () => {
    await server.admin.query(`CREATE DATABASE latin ENCODING 'SQL_ASCII' TEMPLATE template0`)
    const { troubles: all, found } = await ask(server.url.replace(/postgres$/, 'latin'))
    expect(all).toEqual(['error postgres-kind'])
    expect(found('postgres-kind').message).toContain('SQL_ASCII')
  })
})
