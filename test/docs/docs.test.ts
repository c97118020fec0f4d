import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Redis } from 'ioredis'
import { type StandIn, startPagerDuty } from '../../src/testing'
import { folders } from '../attacks/support/paths'
import { Browser } from '../support/browser'
import { describeWithRedis, freePort } from '../support/redis'
import { startCluster, startWatched } from '../support/redis-topologies'
import { startRelay } from '../support/relay'
import { type Example, examplesOf, programOf } from './examples'
import { RunningExample, environmentOf, runTests } from './run-example'

const root = join(__dirname, '../..')
const pages = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md') && !name.endsWith('.api.md'))
  .map((name) => `docs/${name}`)
const all = ['README.md', ...pages].flatMap(examplesOf)
const typed = all.filter(({ language }) => language === 'ts')

jest.setTimeout(60_000)

let standIn: StandIn

beforeAll(async () => {
  standIn = await startPagerDuty()
})
afterAll(() => standIn.close())

/** The only example below a heading, or the one at a position. */
function example(page: string, heading: string, language = 'ts', position = 0): Example {
  const found = all.filter((one) => one.page === page && one.heading === heading && one.language === language)
  const one = found[position]
  if (one === undefined) throw new Error(`${page} has no such example below "${heading}"`)
  return one
}

async function run(
  one: Example,
  use: (app: RunningExample) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const name = `${one.page}-${one.heading}`.replace(/\W+/g, '-').toLowerCase()
  const app = await RunningExample.start(name, programOf(one), { ...environmentOf(standIn), ...env })
  try {
    await use(app)
  } finally {
    await app.stop()
  }
}

test('the app of the README greets whoever logs in, and shows incidents', () =>
  run(example('README.md', 'Use it'), async (app) => {
    const browser = await app.logIn('/')
    const page = await browser.visit(`${app.url}/`)
    expect(await page.text()).toBe('Hello PACME01 of acme')
    expect(await typesOf(await browser.fetch(`${app.url}/incidents`))).toContain('incident')
  }))

test('the app with a Passport of its own knows its user, and logs out', () =>
  run(example('docs/passport.md', 'In an app that has Passport already'), async (app) => {
    const browser = await app.logIn()
    const user = async () => (await browser.fetch(`${app.url}/`)).json()
    expect(await user()).toEqual({ user: { id: 'PACME00/PACME01' } })
    expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(200)
    await browser.fetch(`${app.url}/logout`, { method: 'POST' })
    expect(await user()).toEqual({ user: null })
  }))

async function typesOf(answer: Response): Promise<string[]> {
  const { incidents } = (await answer.json()) as { incidents: { type: string }[] }
  return incidents.map(({ type }) => type)
}

test.each([
  ['Tests of your own', 1],
  ['A token store of your own', 10],
])('the tests of the page about tests pass: %s', (heading, count) => {
  const { code } = example('docs/testing.md', heading)
  const report = runTests(heading.replace(/\W+/g, '-'), code)
  expect(report).toContain(`# pass ${count}\n# fail 0\n`)
})

describe('PagerDuty’s own client', () => {
  const request = /^GET \/services HTTP[^]*\r\nAuthorization: Bearer (\S+)\r\n[^]*\r\nHost: (\S+)\r\n/

  /** Runs an example whose https requests arrive at the stand-in. `heard` tells the token and the host of the last one. */
  async function runHeard(
    one: Example,
    use: (app: RunningExample, heard: () => string[] | undefined) => Promise<void>,
    env = {},
  ): Promise<void> {
    let sent = ''
    const relay = await startRelay(Number(new URL(standIn.url).port), (direction, chunk) => {
      if (direction === 'out') sent = chunk.toString()
    })
    const heard = () => request.exec(sent)?.slice(1)
    try {
      await run(one, (app) => use(app, heard), { TEST_HTTPS_PORT: String(relay.port), ...env })
    } finally {
      await relay.close()
    }
  }

  test('calls the API of each person’s region with their token', () =>
    runHeard(
      example('docs/recipes.md', 'PagerDuty’s own client'),
      async (app, heard) => {
        for (const [user, account, host] of [
          ['PACME01', 'acme', 'api.pagerduty.com'],
          ['PGLBX01', 'globex', 'api.eu.pagerduty.com'],
        ] as const) {
          const browser = await app.logIn('/auth/pagerduty', user)
          expect(await accountsOf(await browser.fetch(`${app.url}/services`))).toEqual([account])
          expect(heard()).toEqual([standIn.newestAccessToken(user), host])
        }
      },
      // As at PagerDuty, the id_token alone says where the API is.
      { PAGERDUTY_API_URL: '' },
    ))

  test('takes the stand-in’s address as a whole URL', () => {
    const one = example('docs/recipes.md', 'PagerDuty’s own client')
    const url = 'url: `${req.pagerduty.user!.apiURL}/services` })'
    return run(
      { ...one, code: one.code.replace("server: hostname }).get('/services')", url) },
      async (app) => {
        const browser = await app.logIn()
        expect(await accountsOf(await browser.fetch(`${app.url}/services`))).toEqual(['acme'])
      },
    )
  })

  test('calls the API with a token of the app', () => {
    const one = example('README.md', 'As the app')
    const show = `
app.get('/incidents', async (_req, res) => res.json(await answer.json()))
app.get('/services', (_req, res) => res.json(data))
app.get('/token', (_req, res) => res.json(accessToken))
`
    return runHeard({ ...one, code: one.code + show }, async (app, heard) => {
      const get = (path: string) => new Browser().fetch(app.url + path)
      expect(await typesOf(await get('/incidents'))).toContain('incident')
      expect(await accountsOf(await get('/services'))).toEqual(['acme'])
      expect(heard()).toEqual([await (await get('/token')).json(), 'api.pagerduty.com'])
    })
  })

  /** Subdomains of the accounts that services are of. */
  async function accountsOf(answer: Response): Promise<string[]> {
    const { services } = (await answer.json()) as { services: { html_url: string }[] }
    return [...new Set(services.map(({ html_url: url }) => new URL(url).hostname.split('.')[0] ?? ''))]
  }
})

describe('recipes', () => {
  const recipe = (heading: string, position = 0) => example('docs/recipes.md', heading, 'ts', position)

  test('a background job works when the session is over', () => {
    const one = recipe('A background job with a person’s token')
    const work =
      "app.post('/work', async (_req, res) => res.json(await writeReport(jobs[0] as { grantID: string })))\n"
    return run({ ...one, code: one.code + work }, async (app) => {
      const browser = await app.logIn()
      expect((await browser.fetch(`${app.url}/reports`, { method: 'POST' })).status).toBe(202)
      const report = await new Browser().fetch(`${app.url}/work`, { method: 'POST' })
      expect(await typesOf(report)).toContain('incident')
    })
  })

  test('all sessions of a user end', () =>
    run(recipe('End all sessions of a user'), async (app) => {
      const browsers = [await app.logIn(), await app.logIn()]
      const end = `${app.url}/people/PACME00/PACME01/sessions`
      expect((await new Browser().fetch(end, { method: 'DELETE' })).status).toBe(204)
      const left = await Promise.all(browsers.map(async (one) => (await one.fetch(`${app.url}/me`)).json()))
      expect(left).toEqual([{}, {}])
    }))

  test('people of other accounts are kept out, and an account has its own app tokens', async () => {
    await run(
      recipe('Several PagerDuty accounts'),
      async (app) => {
        const browser = await app.logIn('/auth/pagerduty', 'PACME01')
        expect(await (await browser.fetch(`${app.url}/me`)).json()).toEqual({})
      },
      { PAGERDUTY_APP_TYPE: 'classic' },
    )
    const tokens = recipe('Several PagerDuty accounts', 1)
    const show = "app.get('/as-app', async (_req, res) => res.json(await answer?.json()))\n"
    const ofGlobex = tokens.code.replaceAll(
      'scope: [',
      'identityURL: process.env.PAGERDUTY_IDENTITY_URL!, apiURL: process.env.PAGERDUTY_API_URL!, scope: [',
    )
    await run({ ...tokens, code: ofGlobex + show }, async (app) => {
      expect(await typesOf(await new Browser().fetch(`${app.url}/as-app`))).toContain('incident')
    })
  })

  test('req.user is what the own table says', () =>
    run(recipe('Your own table of users'), async (app) => {
      const browser = await app.logIn()
      const me = (await (await browser.fetch(`${app.url}/me`)).json()) as { id: string }
      expect(me).toMatchObject({ name: 'Ada Okafor' })
      expect(JSON.parse(me.id)).toEqual({ account: 'PACME00', pagerdutyID: 'PACME01' })
    }))

  test('two instances in one app ask for a login each', () =>
    run(
      recipe('Classic and Scoped side by side'),
      async (app) => {
        const browser = await app.logIn()
        expect((await browser.fetch(`${app.url}/incidents`)).status).toBe(200)
        expect((await browser.fetch(`${app.url}/everything`)).status).toBe(401)
      },
      {
        CLASSIC_CLIENT_ID: 'classic',
        CLASSIC_CLIENT_SECRET: 'of the classic app',
        CLASSIC_CALLBACK_URL: 'http://localhost:3000/auth/classic/callback',
      },
    ))

  test('an app under a path of a proxy is reached there', () =>
    run(recipe('Behind a proxy'), async (app) => {
      const begun = await new Browser().visit(`${app.url}/oncall/auth/pagerduty`, {
        'X-Forwarded-Proto': 'https',
      })
      const { searchParams } = new URL(begun.headers.get('location') as string)
      expect(searchParams.get('redirect_uri')).toBe('https://acme.example/oncall/auth/pagerduty/callback')
    }))

  describeWithRedis('with Redis', () => {
    test('logins live at the master that a Sentinel names, though the first of the Sentinels is gone', async () => {
      const watched = await startWatched()
      const master = new Redis(watched.master.port)
      try {
        const one = onPorts(recipe('Redis Sentinel and Cluster'), [await freePort(), watched.sentinel])
        await run(one, async (app) => expect(await loginOf(app, [master])).toEqual(known))
      } finally {
        master.disconnect()
        await watched.close()
      }
    })

    test('logins live in a Cluster', async () => {
      const cluster = await startCluster()
      try {
        const ports = cluster.nodes.map(({ relay }) => relay.port)
        const one = onPorts(recipe('Redis Sentinel and Cluster', 1), ports.slice(0, 2))
        const servers = cluster.nodes.map(({ admin }) => admin)
        await run(one, async (app) => expect(await loginOf(app, servers)).toEqual(known))
      } finally {
        await cluster.close()
      }
    })

    /** The example with its addresses, in their order, replaced by ports of this machine, and nothing else. */
    function onPorts(one: Example, ports: number[]): Example {
      const addresses = [...one.code.matchAll(/host: '10\.[\d.]+', port: \d+/g)].map(([address]) => address)
      expect(addresses).toHaveLength(ports.length)
      const code = addresses.reduce(
        (text, address, position) => text.replace(address, `host: '127.0.0.1', port: ${ports[position]}`),
        one.code,
      )
      return { ...one, code }
    }

    const known = {
      me: { id: 'PACME01' },
      kinds: expect.arrayContaining(['grant', 'sess']) as string[],
      afterwards: {},
    }

    /** Whom the app takes somebody for who logs in, the keys made meanwhile, and whom once these servers are emptied. */
    async function loginOf(app: RunningExample, servers: Redis[]): Promise<unknown> {
      const browser = await app.logIn()
      const visit = async (): Promise<unknown> => (await browser.fetch(`${app.url}/me`)).json()
      const me = await visit()
      const keys = (await Promise.all(servers.map((server) => server.keys('*')))).flat()
      await Promise.all(servers.map((server) => server.flushall()))
      return { me, kinds: keys.map((key) => key.split(':')[1]), afterwards: await visit() }
    }
  })

  test('a script is told where to go, and goes there', () =>
    run(recipe('A single-page app'), async (app) => {
      const stranger = await new Browser().fetch(`${app.url}/api/incidents`)
      expect({ status: stranger.status, location: stranger.headers.get('location') }).toEqual({
        status: 401,
        location: null,
      })
      const browser = await app.logIn('/auth/pagerduty?returnTo=%2F')
      expect((await browser.fetch(`${app.url}/api/incidents`)).status).toBe(200)
    }))

  test('calls to PagerDuty go through the proxy of the environment', () =>
    run(recipe('An HTTP proxy towards PagerDuty'), async (app) => {
      const answer = await (await app.logIn()).fetch(`${app.url}/me`)
      expect(await answer.json()).toEqual({ id: 'PACME01' })
    }))

  test('the platform is told of what goes on', () =>
    run(recipe('Serverless'), async (app) => {
      const answer = await (await app.logIn()).fetch(`${app.url}/me`)
      expect(await answer.json()).toEqual({ id: 'PACME01' })
    }))
})

test.each([4, 5] as const)(
  'every example in TypeScript compiles under the types of Express %i',
  (version) => {
    const folder = join(folders[version], 'typed')
    mkdirSync(folder, { recursive: true })
    if (version === 4) installTypes(folders[4])
    const files = typed.map((one, position) => {
      const name = `${position}-${one.page.replace(/\W+/g, '-')}.mts`
      writeFileSync(join(folder, name), `// ${one.page}: ${one.heading}\n${programOf(one)}`)
      return name
    })
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    expect(complaintsOf(join(folder, 'tsconfig.json'))).toBe('')
  },
)

/** What a user has who installed the types of Express 4: those of Passport go with them. */
function installTypes(folder: string): void {
  const types = join(folder, 'node_modules/@types')
  if (existsSync(types)) return
  mkdirSync(types, { recursive: true })
  symlinkSync(join(root, 'node_modules/@types/express4'), join(types, 'express'))
  for (const name of ['passport', 'express-session']) {
    cpSync(join(root, 'node_modules/@types', name), join(types, name), { recursive: true })
  }
}

/** What the compiler prints. */
function complaintsOf(project: string): string {
  try {
    return execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', project], { encoding: 'utf8' })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

test('every link between pages leads somewhere', () => {
  const broken = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', ...pages].flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8')
    const targets = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target]) => target as string)
    return targets.filter((target) => !leadsSomewhere(page, target)).map((target) => `${page}: ${target}`)
  })
  expect(broken).toEqual([])
})

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? join(root, page) : join(root, dirname(page), path)
  if (!existsSync(file)) return false
  if (anchor === undefined) return true
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    slugOf(title as string),
  )
  return headings.includes(anchor)
}

/** As GitHub makes them. */
function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}
