import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { join } from 'node:path'
import { pause, withinDeadline } from '../../src/async/timeout'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type Nginx, startNginx } from '../support/nginx'
import { describeWith } from '../support/programs'
import { type RedisServer, freePort, startRedis } from '../support/redis'
import { example, programOf, root } from './examples'
import { RunningExample, environmentOf } from './run-example'

const appOfReadme = {
  code: ['README.md, Quick start, ts', 'README.md, Production checklist, ts']
    .map((name) => example(name).code)
    .join('\n'),
}
const inOrder = { code: 0, signal: null }

/** Asks a process to end, and gives it the time that the page asks of platforms. */
function terminate(app: RunningExample) {
  const page = readFileSync(join(root, 'docs/deployment.md'), 'utf8')
  const seconds = Number(/terminationGracePeriodSeconds: (\d+)/.exec(page)?.[1])
  return withinDeadline(app.terminate(), seconds * 1000, () => new Error(`Still there after ${seconds} s`))
}

// The slowest tests wait for the fifteen seconds after which unused connections are closed.
jest.setTimeout(240_000)

let simulator: Simulator

beforeEach(async () => {
  simulator = await startPagerDuty()
})
afterEach(() => simulator.close())

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
      ...environmentOf(simulator),
      REDIS_URL: redis.url,
      PAGERDUTY_CALLBACK_URL: `${nginx.url}/auth/pagerduty/callback`,
    }
    return RunningExample.start('shutdown', programOf(appOfReadme), env, port)
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
    simulator.settings.tokenLatency = 300
    const failed: string[] = []
    let isOver = false
    let count = 0
    const load = browsers.flatMap((browser) =>
      ['/', '/incidents', '/incidents'].map(async (path) => {
        while (!isOver) {
          const answer = await browser.fetch(nginx.url + path)
          const text = await answer.text()
          await pause(20) // The processes share two cores with other tests.
          count += 1
          if (answer.status !== 200 || text.includes('Log in'))
            failed.push(`${path}: ${answer.status} ${text}`)
        }
      }),
    )
    const exits = []
    for (const position of [0, 1, 0, 1]) {
      const before = count
      while (count < before + 50) await pause(10)
      const refreshed = simulator.calls.token.refresh_token + browsers.length
      simulator.expireTokens() // so that refreshes are under way
      exits.push(await terminate(apps[position] as RunningExample))
      apps[position] = await startApp(ports[position] as number)
      // A token that ended twice within one request would be the simulator's fault.
      while (simulator.calls.token.refresh_token < refreshed) await pause(10)
    }
    isOver = true
    await Promise.all(load)
    expect(failed).toEqual([])
    expect(exits).toEqual([inOrder, inOrder, inOrder, inOrder])
    expect(simulator.reuses).toBe(0)
  })
})

describe('SIGTERM without a proxy', () => {
  let app: RunningExample
  const sockets: Socket[] = []

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await app.stop()
  })

  async function start(program: { code: string }): Promise<void> {
    app = await RunningExample.start('stopping', programOf(program), environmentOf(simulator))
  }

  async function open(): Promise<Socket> {
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  test('ends a process that has nothing to do', async () => {
    await start(example('docs/deployment.md, Stopping a process, ts'))
    await app.logIn()
    expect(await terminate(app)).toEqual(inOrder)
  })

  test('lets requests and their refresh finish, and ends connections that are busy or never used', async () => {
    await start(appOfReadme)
    const browser = await app.logIn()
    await browser.fetch(`${app.url}/incidents`)
    const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ')
    simulator.expireTokens()
    simulator.settings.tokenLatency = 1_000

    await open() // As browsers do in advance.
    const busy = await open()
    const ask = (path: string) =>
      busy.write(`GET ${path} HTTP/1.1\r\nHost: ${new URL(app.url).host}\r\nCookie: ${cookie}\r\n\r\n`)
    const heads: string[] = []
    busy.on('data', (chunk: Buffer) => {
      heads.push(...(chunk.toString().match(/^HTTP\/1\.1 \d+|^Connection: [\w-]+/gm) ?? []))
      // The next request goes over the same connection, unless this one says that it closes.
      if (heads.at(-1) === 'Connection: close') busy.end()
      else if (heads.at(-1) === 'Connection: keep-alive') ask('/')
    })
    ask('/incidents')
    while (simulator.calls.token.refresh_token === 0) await pause(10)
    expect(await terminate(app)).toEqual(inOrder)
    expect(heads).toEqual(['HTTP/1.1 200', 'Connection: keep-alive', 'HTTP/1.1 200', 'Connection: close'])
    expect(simulator.calls.token.refresh_token).toBe(1)
  })
})
