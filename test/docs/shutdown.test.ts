import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { join } from 'node:path'
import { pause, withinDeadline } from '../../src/deadline'
import { type StandIn, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type Nginx, startNginx } from '../support/nginx'
import { describeWith } from '../support/programs'
import { type RedisServer, freePort, startRedis } from '../support/redis'
import { example, programOf, root } from './examples'
import { RunningExample, environmentOf } from './run-example'

const inOrder = { code: 0, signal: null }

/** Asks a process to end, and gives it the time that the page asks of platforms. */
function terminate(app: RunningExample) {
  const page = readFileSync(join(root, 'docs/deployment.md'), 'utf8')
  const seconds = Number(/terminationGracePeriodSeconds: (\d+)/.exec(page)?.[1])
  return withinDeadline(app.terminate(), seconds * 1000, () => new Error(`Still there after ${seconds} s`))
}

// The slowest tests wait for the fifteen seconds after which unused connections are closed.
jest.setTimeout(240_000)

let standIn: StandIn

beforeEach(async () => {
  standIn = await startPagerDuty()
})
afterEach(() => standIn.close())

describeWith('redis-server', 'nginx-light')('SIGTERM behind nginx, under load', () => {
  let redis: RedisServer
  let nginx: Nginx
  const apps: RunningExample[] = []
  const ports: number[] = []

  beforeEach(async () => {
    redis = await startRedis()
    ports.splice(0, 2, await freePort(), await freePort())
  })
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.stop()))
    await nginx.stop()
    await redis.stop()
  })

  /** The examples of two pages: the upstream, and the location that leads to it. */
  function startProxy(more = '', headers = ''): Promise<Nginx> {
    const upstream = ports.reduce(
      (config, port, i) => config.replace(`:${3000 + i}`, `:${port}`),
      example('docs/deployment.md, Stopping a process, nginx').code,
    )
    const location = example('docs/recipes.md, Behind a proxy, nginx').code
    return startNginx(
      upstream.replace('}', `${more} }`),
      location.replace('http://127.0.0.1:3000;', `http://app; ${headers}`),
    )
  }

  function startApp(port: number): Promise<RunningExample> {
    const env = {
      ...environmentOf(standIn),
      REDIS_URL: redis.url,
      PAGERDUTY_CALLBACK_URL: `${nginx.url}/auth/pagerduty/callback`,
    }
    return RunningExample.start('shutdown', programOf(example('README.md, Use it, ts')), env, port)
  }

  async function logIn(user: string): Promise<Browser> {
    const browser = new Browser()
    const begun = await browser.visit(`${nginx.url}/auth/pagerduty`)
    await browser.visit(await approve(begun.headers.get('location') as string, { user }))
    return browser
  }

  test.each([
    ['a connection for each request, as shown', '', ''],
    [
      'connections that are kept open',
      'keepalive 16;',
      'proxy_http_version 1.1; proxy_set_header Connection "";',
    ],
  ])('loses no request in a rolling restart, with %s', async (_how, more, headers) => {
    nginx = await startProxy(more, headers)
    apps.push(...(await Promise.all(ports.map(startApp))))
    const browsers = await Promise.all(['PACME01', 'PACME02', 'PGLBX01', 'PGLBX02'].map(logIn))
    standIn.settings.tokenLatency = 300
    const failed: string[] = []
    let isOver = false
    let count = 0
    const load = browsers.flatMap((browser) =>
      ['/', '/incidents', '/incidents'].map(async (path) => {
        while (!isOver) {
          const answer = await browser.fetch(nginx.url + path)
          const text = await answer.text()
          count += 1
          if (answer.status !== 200) failed.push(`${path}: ${answer.status} ${text}`)
        }
      }),
    )
    const exits = []
    for (const position of [0, 1, 0, 1]) {
      const before = count
      while (count < before + 50) await pause(10)
      standIn.expireTokens() // so that refreshes are under way
      exits.push(await terminate(apps[position] as RunningExample))
      apps[position] = await startApp(ports[position] as number)
    }
    isOver = true
    await Promise.all(load)
    expect(failed).toEqual([])
    expect(exits).toEqual([inOrder, inOrder, inOrder, inOrder])
    expect(standIn.reuses).toBe(0)
  })
})

describe('SIGTERM without a proxy', () => {
  let app: RunningExample
  const sockets: Socket[] = []

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await app.stop()
  })

  test('ends the process though browsers keep a connection busy, and one that they never use', async () => {
    const one = example('docs/deployment.md, Stopping a process, ts')
    app = await RunningExample.start('stopping', programOf(one), environmentOf(standIn))
    const { port } = new URL(app.url)
    const unused = connect(Number(port), '127.0.0.1').on('error', () => {})
    sockets.push(unused)
    await once(unused, 'connect')
    const busy = connect(Number(port), '127.0.0.1').on('error', () => {})
    sockets.push(busy)
    const heads: string[] = []
    const ask = () => busy.write(`GET /me HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    busy.on('data', (chunk: Buffer) => {
      heads.push(...(chunk.toString().match(/^HTTP\/1\.1 \d+|^Connection: [\w-]+/gm) ?? []))
      // As browsers do: the next request goes over a connection that is not said to close.
      if (heads.at(-1) === 'Connection: close') busy.end()
      else setTimeout(ask, 20)
    })
    ask()
    await once(busy, 'data')
    expect(await terminate(app)).toEqual(inOrder)
    expect(heads.slice(-2)).toEqual(['HTTP/1.1 200', 'Connection: close'])
  })

  test('lets a request finish whose user waits for PagerDuty, and the refresh with it', async () => {
    const one = example('README.md, Use it, ts')
    app = await RunningExample.start('stopping', programOf(one), environmentOf(standIn))
    const browser = await app.logIn()
    await browser.fetch(`${app.url}/incidents`)
    standIn.expireTokens()
    standIn.settings.tokenLatency = 2_000
    const waiting = browser.fetch(`${app.url}/incidents`)
    while (standIn.calls.token.refresh_token === 0) await pause(10)
    const exit = terminate(app)
    expect((await waiting).status).toBe(200)
    expect(await exit).toEqual(inOrder)
  })
})
