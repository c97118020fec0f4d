import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { promisify } from 'node:util'
import { execFile } from 'node:child_process'
import { Redis } from 'ioredis'
import { RedisTokenStore, TokenStoreError, pagerduty } from '../../src'
import { margin } from '../support/margin'
import { type RedisServer, describeWithRedis, startRedis, watchCommands } from '../support/redis'
import { type Relay, startRelay } from '../support/relay'

describeWithRedis('the connection beside a client', () => {
  let server: RedisServer
  let relay: Relay
  let admin: Redis
  const clients: Redis[] = []

  /** A client of an app, which need not be connected itself. */
  function clientOf(port: number, options: object = {}): Redis {
    const client = new Redis({ port, lazyConnect: true, ...options })
    client.on('error', () => {})
    clients.push(client)
    return client
  }

  /** Connections that the server has taken so far. */
  async function connections(): Promise<number> {
    return Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1])
  }

  beforeAll(async () => {
    server = await startRedis()
    relay = await startRelay(server.port)
    admin = new Redis(server.port)
  })
  afterAll(async () => {
    admin.disconnect()
    await relay.close()
    await server.stop()
  })
  beforeEach(async () => {
    relay.mode = 'pass'
    await admin.flushall()
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect()
  })

  test('is one for all stores over the client, which itself is not used', async () => {
    const client = clientOf(server.port)
    const before = await connections()
    const stores = [new RedisTokenStore(client), new RedisTokenStore(client, { prefix: 'other:' })]
    await Promise.all(stores.map((store) => store.get('grant:a')))
    expect((await connections()) - before).toBe(1)
    expect(client.status).toBe('wait')
    expect(client.listenerCount('end')).toBe(1)
  })

  test('leaves the options of the client as they are, and does not call its strategies', async () => {
    const strategy = jest.fn(() => null)
    const strategies = {
      retryStrategy: strategy,
      sentinelRetryStrategy: strategy,
      reconnectOnError: strategy,
    }
    const client = clientOf(1, { ...strategies, sentinels: [{ port: 1 }, { port: 2 }], name: 'mymaster' })
    const before = { ...client.options }
    const failed = new RedisTokenStore(client, { timeout: 900 }).get('grant:a')
    await expect(failed).rejects.toMatchObject({
      message: expect.stringMatching(/^Redis is not connected: All sentinels are unreachable/) as string,
      cause: { message: expect.stringContaining('All sentinels are unreachable') as string },
    })
    expect(client.options).toEqual(before)
    expect(strategy).not.toHaveBeenCalled()
  })

  test('is attempted at most every quarter of a second, however many wait', async () => {
    const attempts: number[] = []
    const refusing = createServer((socket) => {
      attempts.push(performance.now())
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(refusing, 'listening')
    const store = new RedisTokenStore(clientOf((refusing.address() as AddressInfo).port))
    await Promise.allSettled(Array.from({ length: 200 }, (_, i) => store.get(`grant:${i}`)))
    await Promise.allSettled([store.get('grant:a')])
    refusing.close()
    expect(attempts.length).toBeGreaterThan(4)
    // Over all of them: a single arrival here may be late.
    const quarters = ((attempts.at(-1) as number) - (attempts[0] as number)) / 250
    expect(attempts.length - 1).toBeLessThan(quarters + 1)
  })

  test('sends a command once, also where its reply is lost', async () => {
    const store = new RedisTokenStore(clientOf(relay.port))
    await store.get('grant:a')
    await admin.config('RESETSTAT')
    relay.mode = 'dropReplies'
    const created = store.create('grant:a', 'one', 10_000)
    while ((await admin.exists('pagerduty:grant:{a}')) === 0);
    relay.cut()
    relay.mode = 'pass'
    await expect(created).rejects.toThrow(TokenStoreError)
    expect(await store.get('grant:a')).toBe('one')
    expect(await admin.info('commandstats')).toMatch(/cmdstat_set:calls=1,/)
  })

  test('keeps nothing for later: what found no connection in time is never executed', async () => {
    const store = new RedisTokenStore(clientOf(relay.port), { timeout: 300 })
    relay.mode = 'refuse'
    await expect(store.create('grant:a', 'one', 10_000)).rejects.toThrow('Redis is not connected')
    relay.mode = 'pass'
    while ((await store.get('grant:b').catch(() => 'refused')) !== undefined);
    expect(await admin.exists('pagerduty:grant:{a}')).toBe(0)
  })

  test('is replaced at most once a second while it leaves commands unanswered', async () => {
    const store = new RedisTokenStore(clientOf(server.port), { timeout: 100 })
    while ((await store.get('grant:a').catch(() => 'refused')) !== undefined);
    const before = await connections()
    await admin.call('CLIENT', 'PAUSE', '1500', 'WRITE')
    const until = performance.now() + 1_500
    while (performance.now() < until) await store.create('grant:a', 'one', 1).catch(() => {})
    const replaced = (await connections()) - before
    expect(replaced).toBeGreaterThan(0)
    expect(replaced).toBeLessThanOrEqual(2)
  })

  test('is closed with the client, and by pd.close(), which leaves the client open', async () => {
    const client = new Redis(server.port)
    await client.ping()
    const open = async () => ((await admin.call('CLIENT', 'LIST')) as string).trim().split('\n').length
    while ((await open()) > 2);
    const pd = pagerduty({ ...options, redis: client })
    await pd.grants.get('a')
    expect(await open()).toBe(3)
    await pd.close()
    while ((await open()) > 2);
    expect(client.status).toBe('ready')
    await new RedisTokenStore(client).get('grant:a')
    expect(await open()).toBe(3)
    client.disconnect()
    while ((await open()) > 1);
  })

  test('completes pending commands when it leaves a server that accepts no writes', async () => {
    const replica = await startRedis({ more: ['--replicaof', '127.0.0.1 1'] })
    const [reached, held] = [defer(), defer()]
    const client = clientOf(replica.port)
    watchCommands(client, (_name, key) => {
      if (!key?.includes('slow')) return undefined
      reached.resolve()
      return held.promise
    })
    const store = new RedisTokenStore(client)
    const slow = store.get('grant:slow')
    await reached.promise
    await expect(store.create('grant:a', 'one', 1_000)).rejects.toMatchObject({
      message: 'The Redis command failed',
      cause: { message: expect.stringContaining('READONLY') as string },
    })
    while (!(await store.get('grant:a').then(() => true)));
    held.resolve()
    expect(await slow).toBeUndefined()
    client.disconnect()
    await replica.stop()
  })

  test('ends with the client, and pending commands are then rejected at once', async () => {
    const client = clientOf(relay.port)
    const store = new RedisTokenStore(client, { timeout: 10_000 })
    relay.mode = 'refuse'
    const waiting = store.get('grant:a')
    client.disconnect()
    const startedAt = performance.now()
    await expect(waiting).rejects.toThrow('The Redis client was closed')
    await expect(store.get('grant:a')).rejects.toThrow('The Redis client was closed')
    expect(performance.now() - startedAt).toBeLessThan(2_000 + margin)
  })

  test.each(['redis', 'valkey'])('is made to a URL that begins with %s://', async (scheme) => {
    const program = `
      const { pagerduty } = require('./src')
      const pd = pagerduty({ ...${JSON.stringify(options)}, redis: '${scheme}://127.0.0.1:${server.port}' })
      pd.grants.get('a').then(async (grant) => { console.log(grant); await pd.close() })`
    expect(await run(program)).toBe('undefined\n')
  })

  test.each([
    ['refuses', 'refuse'],
    ['is silent', 'blackhole'],
  ] as const)('holds up no process that closes its instance while Redis %s', async (_what, mode) => {
    relay.mode = mode
    const program = `
      const { pagerduty } = require('./src')
      const pd = pagerduty({ ...${JSON.stringify(options)}, redis: 'redis://127.0.0.1:${relay.port}' })
      pd.on('warning', () => {})
      pd.grants.get('a').catch(async ({ code }) => {
        await pd.close()
        const closedAt = Date.now()
        process.on('exit', () => console.log(code, Date.now() - closedAt < 1000))
      })`
    expect(await run(program)).toBe('ERR_PAGERDUTY_TOKEN_STORE true\n')
  })
})

const options = {
  clientID: 'id',
  clientSecret: 'client secret',
  callbackURL: 'http://localhost/auth/pagerduty/callback',
  scope: ['incidents.read'],
  secret: 'a secret of thirty-two characters or more, for tests',
}

/** What a program prints that ends by itself. */
async function run(program: string): Promise<string> {
  const args = ['--require', 'esbuild-register', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 })
  return stdout
}

function defer(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
