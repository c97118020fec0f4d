import { schemaOf } from '../../src/store/postgres-table'
import { requireTable } from '../../src/store/sql-table'
import { type PostgresServer, describeWithPostgres, startPostgres } from '../support/postgres'
import { example } from './examples'
import { runScript, runTests } from './run-example'

describeWithPostgres('the page about stores', () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  const environment = () => ({
    PGHOST: '127.0.0.1',
    PGPORT: String(server.port),
    PGUSER: 'postgres',
    PAGERDUTY_CLIENT_ID: 'a',
    PAGERDUTY_CLIENT_SECRET: 'b',
    PAGERDUTY_CALLBACK_URL: 'http://localhost:3000/cb',
    SESSION_SECRET: 'a secret of thirty-two characters or more for tests',
  })

  test('shows the table as it is made', async () => {
    const { code } = example('docs/stores.md, PostgreSQL, sql')
    expect(code.trim()).toBe(schemaOf(requireTable('pagerduty_tokens', /./, '')))
    await server.admin.query(code)
  })

  test('takes a pool that the app has, and leaves it open', async () => {
    await server.admin.query('CREATE SCHEMA app')
    const { code } = example('docs/stores.md, PostgreSQL, ts')
    const use = `
      await tokenStore.create('grant:a', 'one', 60_000)
      await pd.close()
      await tokenStore.close()
      console.log((await pool.query('SELECT key FROM app.pagerduty_tokens')).rows)
      await pool.end()`
    expect(await runScript('own-pool', code + use, environment())).toBe(`[ { key: 'grant:a' } ]\n`)
  })

  test('says what makes a schema that is missing, and when a pool is idle', async () => {
    const { code } = example('docs/stores.md, PostgreSQL, ts')
    const use = `
      const failure = await tokenStore.get('grant:a').catch((error) => error)
      console.log(failure.hint, pool.options.idleTimeoutMillis)
      await pd.close()
      await pool.end()`
    const printed = await runScript('no-schema', code.replace("'app.", "'missing.") + use, environment())
    expect(printed).toContain('CREATE SCHEMA "missing";')
    expect(printed).toMatch(/ 10000\n$/)
  })

  test('has a driver in sixty lines that passes the battery, by tests as they are shown, which end', async () => {
    const driver = example('docs/stores.md, A driver of your own, ts').code
    expect(driver.trim().split('\n').length).toBeLessThanOrEqual(60)
    const tests = example('docs/stores.md, A driver of your own, js')
      .code.replaceAll(/import (\{ OwnTokenStore \}|postgres) .*\n/g, '')
      .replace(/'postgres:[^']*'/, `'${server.url}'`)
    const report = await runTests({ files: [driver + tests], pieces: {}, endByThemselves: true })
    expect(report).toContain('# fail 0\n')
    expect(Number(/^# pass (\d+)$/m.exec(report)?.[1])).toBeGreaterThan(20)
  })
})
