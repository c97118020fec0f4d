import { once } from 'node:events'
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { ConfigurationError, SQLiteTokenStore, TokenStoreError } from '../../src'
import { testTokenStore } from '../../src/testing'
import {
  describeWithSQLite,
  order,
  rawConnection,
  removeTemporaryFiles,
  startSQLiteWorker,
  temporaryFile,
} from '../support/sqlite'
import { margin } from '../support/margin'

const opened: { close(): unknown }[] = []

function open(file: string, table?: string): SQLiteTokenStore {
  const store = new SQLiteTokenStore(file, { table })
  opened.push(store)
  return store
}

afterEach(() => {
  jest.restoreAllMocks()
  for (const each of opened.splice(0)) {
    try {
      each.close()
    } catch {
      // A test has closed it.
    }
  }
})

afterAll(removeTemporaryFiles)

/** A process of the test's own, which ends with the test. */
async function worker(file: string, options = {}) {
  const child = await startSQLiteWorker(file, options)
  opened.push({ close: () => child.kill('SIGKILL') })
  return child
}

const files = new WeakMap<SQLiteTokenStore, string>()

describeWithSQLite('SQLiteTokenStore', () => {
  testTokenStore(
    () => {
      const file = temporaryFile()
      const store = open(file)
      files.set(store, file)
      return store
    },
    { another: (store) => open(files.get(store) as string), disconnect: (store) => store.close() },
  )

  test('survives a restart', async () => {
    const file = temporaryFile()
    const before = open(file)
    await before.create('grant:a', 'one', 60_000)
    await before.create('grant:b', 'one', 1)
    before.close()
    const after = open(file)
    expect(await after.getMany(['grant:a', 'grant:b'])).toEqual(['one', undefined])
  })

  test('two tables of one file know nothing of each other', async () => {
    const file = temporaryFile()
    await open(file, 'one').create('grant:a', 'one', 60_000)
    expect(await open(file, 'Two_2').get('grant:a')).toBeUndefined()
    for (const table of ['a"b', 'a.b', '1a', '', 'a'.repeat(49), 'a b', 1 as never])
      expect(() => open(file, table)).toThrow(ConfigurationError)
  })

  test('processes that start at once make one file, and a key is created by one of them', async () => {
    const file = temporaryFile()
    const processes = await Promise.all([1, 2, 3, 4].map(() => worker(file)))
    const states = await Promise.all(processes.map((each) => order(each, { do: 'open' })))
    expect(states).toEqual(['open', 'open', 'open', 'open'])
    const won = await Promise.all(processes.map((each) => order<string[]>(each, { do: 'contest', keys: 50 })))
    expect(won.flat().toSorted()).toEqual(Array.from({ length: 50 }, (_, i) => `lock:${i}`).toSorted())
  })

  test('a process that is killed in the middle of a transaction leaves nothing behind', async () => {
    const file = temporaryFile()
    const store = open(file)
    await store.create('grant:a', 'one', 60_000)
    const child = await worker(file)
    await order(child, { do: 'hold', sql: `BEGIN IMMEDIATE; UPDATE pagerduty_tokens SET value = 'two'` })
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    expect(await store.get('grant:a')).toBe('one')
    expect(await store.replace('grant:a', 'one', 'three')).toBe(true)
    expect(await open(file).get('grant:a')).toBe('three')
  })

  test('while another process holds the lock, reads go on and a write is rejected in a second, without blocking', async () => {
    const file = temporaryFile()
    const store = open(file)
    await store.create('grant:canary', 'canary', 60_000)
    const other = rawConnection(file)
    other.exec('BEGIN IMMEDIATE')
    let turns = 0
    const timer = setInterval(() => turns++, 10)
    const startedAt = performance.now()
    const failed = store.replace('grant:canary', 'canary', 'canary2').catch((error: unknown) => error)
    expect(await store.get('grant:canary')).toBe('canary')
    const error = await failed
    expect(error).toBeInstanceOf(TokenStoreError)
    expect((error as Error).message).toBe('replace() of the SQLite store failed: database is locked')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary')
    expect(performance.now() - startedAt).toBeGreaterThan(800)
    expect(performance.now() - startedAt).toBeLessThan(3_000 + margin)
    expect(turns).toBeGreaterThan(5)
    clearInterval(timer)

    const waiting = store.replace('grant:canary', 'canary', 'two')
    other.exec('ROLLBACK')
    expect(await waiting).toBe(true)
    other.close()
  })

  test('a full disk rejects, loses nothing that was stored, and reads go on', async () => {
    const file = temporaryFile()
    const limit = `ulimit -f 400; exec ${process.execPath} "$@"`
    const child = await worker(file, { execPath: 'bash', execArgv: ['-c', limit, 'node', ...argv] })
    expect(await order(child, { do: 'open' })).toBe('open')
    const outcome = await order<{ stored: number }>(child, { do: 'fill' })
    expect(outcome).toEqual({
      isStoreError: true,
      message: expect.stringMatching(
        /^create\(\) of the SQLite store failed: (disk I\/O error|database or disk is full)$/,
      ),
      stored: outcome.stored,
      kept: outcome.stored,
    })
    expect(outcome.stored).toBeGreaterThan(5)
  })

  test('deletes expired rows by itself, however many', async () => {
    jest.useFakeTimers()
    const file = temporaryFile()
    const store = open(file)
    const raw = rawConnection(file)
    const rows = () => raw.prepare('SELECT count(*) AS n FROM pagerduty_tokens').get({})?.['n']
    raw.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      INSERT INTO pagerduty_tokens SELECT 'grant:' || i, 'one', 1 FROM n`)
    await store.create('grant:living', 'one', 600_000)
    expect(rows()).toBe(1001)
    await jest.advanceTimersByTimeAsync(61_000)
    expect(rows()).toBe(1)
    raw.close()
    store.close()
    expect(jest.getTimerCount()).toBe(0)
    jest.useRealTimers()
  })

  test('only the owner of its files can read them, whatever the umask', async () => {
    const umask = process.umask(0)
    const file = temporaryFile()
    await open(file).create('grant:a', 'one', 60_000)
    process.umask(umask)
    const modes = ['', '-wal', '-shm'].map((suffix) => (statSync(file + suffix).mode & 0o777).toString(8))
    expect(modes).toEqual(['600', '600', '600'])
  })

  test('a write is on the disk when it resolves', () => {
    const prepare = jest.spyOn(Object.getPrototypeOf(rawConnection(':memory:')), 'exec')
    open(temporaryFile())
    expect(prepare.mock.calls.flat().join()).toContain('synchronous = FULL')
  })

  describe('rejects at start-up, and says what to do,', () => {
    test('a folder that is missing', () => {
      const file = join(dirname(temporaryFile()), 'missing', 'pagerduty.db')
      const hint = `Make it: mkdir -p ${dirname(file)}`
      expect(thrownBy(() => open(file))).toMatchObject({ option: 'tokenStore', hint })
      expect(thrownBy(() => open(file)).message).toContain('its folder does not exist')
    })

    test('a file that is none, or no database', () => {
      const folder = temporaryFile()
      mkdirSync(folder)
      const text = temporaryFile()
      writeFileSync(text, 'No database, and long enough to be read as one. '.repeat(99))
      for (const path of [folder, text, '', ':memory:', undefined as never])
        expect(thrownBy(() => open(path))).toBeInstanceOf(ConfigurationError)
      expect(thrownBy(() => open(text)).message).toContain('file is not a database')
    })

    test('a table of that name which is another one, and leaves it as it is', async () => {
      const file = temporaryFile()
      const other = rawConnection(file)
      other.exec('CREATE TABLE mine (key TEXT, expires_at INTEGER)')
      const error = thrownBy(() => open(file, 'mine'))
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(error.message).toMatch(/^"table" "mine" is there, and is not of a token store: it has no value$/)
      expect(error).toMatchObject({ hint: expect.stringContaining('"prefix"') })
      expect(other.prepare(`SELECT name FROM sqlite_master`).all({})).toEqual([{ name: 'mine' }])
      other.close()
      expect(await open(file).create('grant:a', 'one', 60_000)).toBe(true)
    })

    test('a folder, or a file, that the user may not write', async () => {
      const file = temporaryFile()
      chmodSync(dirname(file), 0o555)
      // File permissions do not apply to root.
      const isRoot = process.getuid?.() === 0
      const child = await worker(file, isRoot ? { uid: 65_534, gid: 65_534 } : {})
      expect(await order(child, { do: 'open' })).toMatch(/cannot use .*: it cannot be made \(EACCES\)/)
      writeFileSync(`${file}2`, '', { mode: 0o444 })
      const other = await worker(`${file}2`, isRoot ? { uid: 65_534, gid: 65_534 } : {})
      expect(await order(other, { do: 'open' })).toMatch(
        /this user may not write it and its folder \(EACCES\)/,
      )
    })
  })
})

test('a Node without SQLite is rejected at start-up', () => {
  jest.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never)
  const error = thrownBy(() => new SQLiteTokenStore('./pagerduty.db'))
  expect(error).toBeInstanceOf(ConfigurationError)
  expect(error.message).toContain(`Node ${process.versions.node} has none`)
  expect(error).toMatchObject({ hint: expect.stringContaining('Node 22.13 or newer') })
})

const argv = ['--require', 'esbuild-register', '--no-warnings']

function thrownBy(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  throw new Error('Nothing was thrown')
}
