import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { Redis } from 'ioredis'
import { type PagerDuty, pagerduty } from '../../src'
import { checkApp } from '../../src/cli/check-app'
import { readConfiguration } from '../../src/cli/configuration'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { serve } from '../support/app'
import { type JSONFinding, askDoctor, troubles } from '../support/command'
import { type DropIn, startDropIn } from '../support/drop-in'
import { type RedisServer, describeWithRedis, startRedis } from '../support/redis'
import { startRelay } from '../support/relay'

const secret = 'q7Zt0Kx2Vd9mWc4RbYhN8sLfE1jUaG6p'
const wellKept = ['--appendonly', 'yes', '--maxmemory', '200mb']

jest.setTimeout(120_000)

let simulator: Simulator
let app: DropIn
let environment: Record<string, string>

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator)
  environment = {
    ...simulator.env(),
    PAGERDUTY_CALLBACK_URL: `${app.url}/auth/pagerduty/callback`,
    PAGERDUTY_SCOPE: 'incidents.read users.read',
    PAGERDUTY_ACCOUNT: 'us.acme',
    PAGERDUTY_WEBHOOK_SECRET: 'Xo3vQ9r5Tk1uJ7wZ2eB6yM8cH4nS0dPa',
    SESSION_SECRET: secret,
  }
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})

function found(findings: readonly JSONFinding[], check: string): JSONFinding[] {
  return findings.filter((finding) => finding.check === check)
}

describeWithRedis('Redis', () => {
  let redis: RedisServer
  let admin: Redis

  beforeAll(async () => {
    redis = await startRedis({ more: wellKept })
    admin = new Redis(redis.url)
  })
  afterAll(async () => {
    admin.disconnect()
    await redis.stop()
  })

  const tell = (command: string, ...args: string[]) => admin.call(command, ...args)

  /** Asks with a setting changed, and puts it back. */
  async function withSetting(name: string, value: string, ask: () => Promise<void>): Promise<void> {
    const [, before = ''] = (await tell('config', 'get', name)) as string[]
    await tell('config', 'set', name, value)
    await ask()
    await tell('config', 'set', name, before)
  }

  const ask = (url = redis.url, more: Record<string, string> = {}) =>
    askDoctor({ ...environment, ...more, REDIS_URL: url })

  test('of a good configuration the doctor says nothing but ok', async () => {
    const { code, findings } = await askDoctor({ ...environment, REDIS_URL: redis.url }, '--url', app.url)
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
    expect(findings.length).toBeGreaterThan(18)
    expect(code).toBe(0)
  })

  test('the doctor leaves nothing in Redis', async () => {
    await ask()
    expect(await tell('dbsize')).toBe(0)
  })

  test.each([
    ['allkeys-lru', /allkeys-lru, which throws away logins/],
    ['volatile-ttl', /volatile-ttl, which throws away keys that have an end/],
  ])('maxmemory-policy %s is found', async (policy, told) => {
    await withSetting('maxmemory-policy', policy, async () => {
      const { code, findings } = await ask()
      expect(troubles(findings)).toEqual(['warning redis-eviction'])
      expect(found(findings, 'redis-eviction')[0]?.message).toMatch(told)
      expect(code).toBe(0)
    })
  })

  test('a Redis without a limit is found in production', async () => {
    await withSetting('maxmemory', '0', async () => {
      expect(troubles((await ask()).findings)).toEqual([])
      const { findings } = await ask(redis.url, { NODE_ENV: 'production' })
      expect(troubles(findings)).toContain('warning redis-memory')
    })
  })

  test('a full Redis is found, and that it takes no writes', async () => {
    await withSetting('maxmemory', '100kb', async () => {
      const { findings } = await ask()
      expect(troubles(findings)).toEqual(['error redis-commands', 'warning redis-memory'])
      expect(found(findings, 'redis-commands')[0]?.message).toContain('OOM')
    })
  })

  test('persistence that is off, or only by snapshots, is found', async () => {
    await withSetting('appendonly', 'no', async () => {
      const without = await ask()
      expect(troubles(without.findings)).toEqual(['warning redis-persistence'])
      expect(found(without.findings, 'redis-persistence')[0]?.message).toContain(
        'all users have to log in again',
      )
      await withSetting('save', '3600 1', async () => {
        const { findings } = await ask()
        expect(troubles(findings)).toEqual([])
        expect(found(findings, 'redis-persistence')).toMatchObject([
          { level: 'note', message: expect.stringContaining('snapshots') },
        ])
      })
    })
  })

  test('a password that is missing or wrong is found', async () => {
    await withSetting('requirepass', 'sesame-street', async () => {
      const missing = await ask()
      expect(troubles(missing.findings)).toEqual(['error redis'])
      expect(found(missing.findings, 'redis')[0]?.message).toContain('NOAUTH')
      const wrong = await ask(`redis://:other-street@127.0.0.1:${redis.port}`)
      expect(found(wrong.findings, 'redis')[0]).toMatchObject({
        level: 'error',
        message: expect.stringContaining('WRONGPASS'),
      })
      const right = await ask(`redis://:sesame-street@127.0.0.1:${redis.port}`)
      expect(troubles(right.findings)).toEqual([])
      expect(right.output).not.toContain('sesame-street')
    })
  })

  test('a user without the rights that are needed is found; one who may not look around is noted', async () => {
    await tell(
      'acl',
      'setuser',
      'reader',
      'on',
      '>reader-password',
      '~*',
      '+get',
      '+info',
      '+ping',
      '+config',
    )
    const reader = await ask(`redis://reader:reader-password@127.0.0.1:${redis.port}`)
    expect(troubles(reader.findings)).toEqual(['error redis-commands'])
    expect(found(reader.findings, 'redis-commands')[0]).toMatchObject({
      message: expect.stringContaining('NOPERM'),
      remedy: expect.stringContaining('+eval'),
    })
    await tell(
      'acl',
      'setuser',
      'app',
      'on',
      '>app-password',
      '~pagerduty:*',
      '+get',
      '+set',
      '+del',
      '+mget',
      '+eval',
      '+pexpire',
      '+ping',
    )
    const tenant = await ask(`redis://app:app-password@127.0.0.1:${redis.port}`)
    expect(troubles(tenant.findings)).toEqual([])
    expect(found(tenant.findings, 'redis-version')).toMatchObject([
      { level: 'note', message: expect.stringContaining('INFO is forbidden') },
    ])
    await tell('acl', 'setuser', 'app', '+info')
    await withSetting('appendonly', 'no', async () => {
      const { findings } = await ask(`redis://app:app-password@127.0.0.1:${redis.port}`)
      expect(found(findings, 'redis-persistence')).toMatchObject([
        { level: 'note', message: expect.stringContaining('CONFIG is forbidden') },
      ])
    })
  })

  test('a Redis URL where no server listens is found', async () => {
    const { findings } = await ask('redis://127.0.0.1:9')
    expect(troubles(findings)).toEqual(['error redis'])
    expect(found(findings, 'redis')[0]?.message).toContain('127.0.0.1:9')
    expect(found(findings, 'redis')[0]?.message).toContain('ECONNREFUSED')
  })

  test('a Redis that keeps silent is found, within its deadline', async () => {
    const silent = await startRedis()
    silent.freeze()
    const { findings } = await ask(silent.url)
    expect(troubles(findings)).toEqual(['error redis'])
    expect(found(findings, 'redis')[0]?.message).toContain('no response within 1 second')
    silent.thaw()
    await silent.stop()
  })

  test('TLS where there is none is found', async () => {
    const { findings } = await ask(redis.url.replace('redis:', 'rediss:'))
    expect(found(findings, 'redis')).toMatchObject([
      { level: 'error', remedy: expect.stringContaining('redis:// and not rediss://') },
    ])
  })

  test('a replica is found', async () => {
    const replica = await startRedis({ more: [...wellKept, '--replicaof', '127.0.0.1', redis.port] })
    const { findings } = await ask(replica.url)
    expect(troubles(findings)).toEqual(['error redis-kind'])
    await replica.stop()
  })

  test('a node of a Cluster is found', async () => {
    const node = await startRedis({ more: [...wellKept, '--cluster-enabled', 'yes'] })
    const { findings } = await ask(node.url)
    expect(troubles(findings)).toEqual(['error redis-kind'])
    expect(found(findings, 'redis-kind')[0]?.remedy).toContain('Cluster client of ioredis')
    await node.stop()
  })

  test('a Redis that is too old is found', async () => {
    const relay = await startRelay(redis.port, (direction, chunk) => {
      const at = chunk.indexOf('redis_version:')
      if (direction === 'back' && at >= 0) chunk.write('5', at + 'redis_version:'.length)
    })
    const { findings } = await ask(`redis://127.0.0.1:${relay.port}`)
    expect(troubles(findings)).toEqual(['error redis-version'])
    await relay.close()
  })

  test('a Redis that is far away is found', async () => {
    const relay = await startRelay(redis.port)
    relay.delay = 40
    const { findings } = await ask(`redis://127.0.0.1:${relay.port}`)
    expect(troubles(findings)).toEqual(['warning redis-latency'])
    await relay.close()
  })
})

describe('PagerDuty', () => {
  /** Runs the doctor against a server that responds as PagerDuty, with these keys and a clock that is this many seconds off. */
  async function askWithKeys(keys: unknown, seconds = 0) {
    const identity = await serve((server) => {
      server.get('/global/oauth/anonymous/jwks', (_req, res) => {
        res.set('Date', new Date(Date.now() + seconds * 1000).toUTCString()).json(keys)
      })
    })
    const { findings } = await askDoctor({ ...environment, PAGERDUTY_IDENTITY_URL: identity.url })
    await identity.close()
    return findings
  }
  const keysOf = async (): Promise<unknown> =>
    (await fetch(`${simulator.url}/global/oauth/anonymous/jwks`)).json()

  test.each([
    [-45, 'warning', /45 s ahead of PagerDuty’s|44 s ahead|46 s ahead/],
    [45, 'warning', /behind PagerDuty’s/],
    [-120, 'error', /ahead of PagerDuty’s: logins fail/],
    [300, 'error', /behind PagerDuty’s: logins fail/],
  ])('a clock of PagerDuty’s that is %d s off is found', async (seconds, level, told) => {
    const [clock] = found(await askWithKeys(await keysOf(), seconds), 'clock')
    expect(clock).toMatchObject({ level, message: expect.stringMatching(told) })
  })

  test.each([
    ['no keys', { keys: [] }, /no RS256 key/],
    ['keys of another kind', { keys: [{ kty: 'EC', crv: 'P-256', x: 'a', y: 'b' }] }, /no RS256 key/],
    ['something else', ['hello'], /something other than a JWKS/],
  ])('%s in the place of its keys is found', async (_what, keys, told) => {
    const [finding] = found(await askWithKeys(keys), 'keys')
    expect(finding).toMatchObject({ level: 'error', message: expect.stringMatching(told) })
  })

  test.each([
    ['503', 'error', 'credentials'],
    ['invalid_client', 'error', 'credentials'],
    ['reset', 'error', 'credentials'],
  ] as const)('a token endpoint that fails with %s is found', async (fault, level, check) => {
    simulator.failNext('token', fault)
    const { findings } = await askDoctor(environment)
    expect(troubles(findings)).toEqual([`${level} ${check}`])
  })

  test('the requested app token is not revealed', async () => {
    const { output } = await askDoctor(environment)
    expect(output).toContain('app-token')
    expect(output).not.toMatch(/pd(us|eu)\+_/)
  })
})

describe('the running app', () => {
  const callbackURL = 'https://app.example/auth/pagerduty/callback'
  let pd: PagerDuty

  beforeAll(() => {
    pd = pagerduty({ ...simulator.options(), scope: 'incidents.read', callbackURL, secret })
  })
  afterAll(() => pd.close())

  /** The app at a public address, behind a proxy that forwards this header and may strip cookies. */
  async function askBehind(header: Record<string, string>, keepsCookies = true) {
    const server = createServer()
    const behind = express()
    behind.use((req, res, next) => {
      Object.assign(req.headers, header)
      const setHeader = res.setHeader.bind(res)
      if (!keepsCookies)
        res.setHeader = (name, value) => (name.toLowerCase() === 'set-cookie' ? res : setHeader(name, value))
      next()
    })
    behind.use(pd.auth())
    server.on('request', behind)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { findings } = await askDoctor(
      { ...environment, PAGERDUTY_CALLBACK_URL: callbackURL },
      '--url',
      url,
    )
    server.close()
    server.closeAllConnections()
    // The simulator takes addresses of this machine only, and the proxy is at another one than the callback URL.
    return findings.filter(
      ({ check, message }) => check !== 'registration' && !message.includes('is not where'),
    )
  }

  test('is fine behind a proxy that reports https', async () => {
    const findings = await askBehind({ 'x-forwarded-proto': 'https' })
    expect(troubles(findings)).toEqual([])
    expect(found(findings, 'cookie')).toMatchObject([
      { level: 'ok', message: expect.stringContaining('Secure') },
    ])
  })

  test('behind a proxy that does not is found', async () => {
    const findings = await askBehind({})
    expect(troubles(findings)).toEqual(['error proxy'])
    expect(found(findings, 'proxy')[0]?.remedy).toContain('X-Forwarded-Proto: https')
  })

  test('behind a proxy that strips cookies is found', async () => {
    expect(troubles(await askBehind({ 'x-forwarded-proto': 'https' }, false))).toEqual(['error cookie'])
  })

  test.each<[string, (url: string) => Record<string, string>, string[], RegExp]>([
    [
      'with another client ID',
      () => ({ PAGERDUTY_CLIENT_ID: 'other' }),
      ['error registration', 'error credentials', 'error app'],
      /another client ID than this environment/,
    ],
    [
      'at another address than users come back to',
      (url) => ({
        PAGERDUTY_CALLBACK_URL: `${url.replace('127.0.0.1', 'localhost')}/auth/pagerduty/callback`,
      }),
      ['warning app', 'error app'],
      /comes back without its cookie[^]*another callback URL/,
    ],
    [
      'without a login at that path',
      (url) => ({ PAGERDUTY_CALLBACK_URL: `${url}/login/callback` }),
      ['error app'],
      /\/login is not there \(404\)/,
    ],
    [
      'that is none',
      (url) => ({ PAGERDUTY_CALLBACK_URL: `${url}/me/callback` }),
      ['error app'],
      /responded with 401, and does not lead to PagerDuty/,
    ],
  ])('%s is found', async (_what, change, expected, told) => {
    const { findings } = await askDoctor({ ...environment, ...change(app.url) }, '--url', app.url)
    expect(troubles(findings)).toEqual(expected)
    expect(
      found(findings, 'app')
        .map(({ message }) => message)
        .join('\n'),
    ).toMatch(told)
  })

  test('that begins a login with the callback URL of another origin is found', async () => {
    const second = app.url.replace('127.0.0.1', 'localhost')
    const callbackURLs = [app.url, second].map((origin) => `${origin}/auth/pagerduty/callback`)
    const change = { PAGERDUTY_CALLBACK_URL: callbackURLs.join(',') }
    const ask = async (url: string) => (await askDoctor({ ...environment, ...change }, '--url', url)).findings
    expect(troubles(await ask(app.url))).toEqual([])
    const findings = await ask(second)
    expect(troubles(findings)).toEqual(['error proxy'])
    expect(found(findings, 'proxy')[0]?.message).toContain(`another origin, ${app.url}`)
  })

  test('that does not respond is found', async () => {
    const { findings } = await askDoctor(environment, '--url', 'http://127.0.0.1:9')
    expect(troubles(findings)).toEqual(['error app'])
  })

  test('that begins logins by plain http is found, and one that sends them to https is fine', async () => {
    const { configuration } = readConfiguration({ ...environment, PAGERDUTY_CALLBACK_URL: callbackURL }, '')
    const { authorizationURL, clientID } = configuration.client
    const login = `${authorizationURL}?${new URLSearchParams({ client_id: clientID, redirect_uri: callbackURL })}`
    const cookie = '__Host-pagerduty-login-1=a; Path=/; HttpOnly; Secure; SameSite=Lax'
    const begins = () =>
      new Response(null, { status: 302, headers: { Location: login, 'Set-Cookie': cookie } })
    const byPlain = jest.fn(begins)
    const spy = jest
      .spyOn(globalThis, 'fetch')
      .mockImplementation(async (url) => (String(url).startsWith('http:') ? byPlain() : begins()))
    const careless = await checkApp(configuration, 'https://app.example')
    byPlain.mockImplementation(() => Response.redirect('https://app.example/auth/pagerduty', 308))
    const careful = await checkApp(configuration, 'https://app.example')
    spy.mockRestore()
    expect(careless.map(({ level, check }) => `${level} ${check}`)).toEqual([
      'ok app',
      'ok cookie',
      'error proxy',
    ])
    expect(careful.map(({ level, check }) => `${level} ${check}`)).toEqual([
      'ok app',
      'ok cookie',
      'ok proxy',
    ])
  })
})
