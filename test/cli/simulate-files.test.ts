import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { deserialize } from 'node:v8'
import { withEnvironment } from '../../src/environment'
import type { Simulator } from '../../src/testing'
import { type Simulation, askDoctor, runCommand, startSimulation, troubles } from '../support/command'
import { startDropIn } from '../support/drop-in'
import { freePort } from '../support/redis'

let folder: string
const running: Simulation[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'simulate-'))
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()))
  rmSync(folder, { recursive: true })
})

async function simulate(...args: readonly string[]): Promise<Simulation> {
  const simulation = await startSimulation(...args)
  running.push(simulation)
  return simulation
}

const readEnv = (file: string) => parseEnv(readFileSync(file, 'utf8')) as Record<string, string>

/** An app that is logged in, and goes on while the simulator is restarted. */
async function startApp({ env }: Simulation) {
  const { callbackURL: _, ...options } = withEnvironment({}, env)
  const app = await startDropIn(
    { options: () => ({}) } as unknown as Simulator,
    { ...options, scope: 'incidents.read incidents.write users.read' },
    (express, pd) => {
      express.post('/resolve', pd.requireLogin(), async (req, res) => {
        const body = JSON.stringify({ incident: { type: 'incident', status: 'resolved' } })
        const { incidents } = (await (await req.pagerduty.fetch('/incidents')).json()) as Incidents
        const { id } = incidents[0] as Incidents['incidents'][0]
        res.status((await req.pagerduty.fetch(`/incidents/${id}`, { method: 'PUT', body })).status).end()
      })
    },
  )
  return app
}
interface Incidents {
  incidents: { id: string; status: string }[]
}

describe('--out', () => {
  test('puts the variables into a file for the user alone, and prints where', async () => {
    const file = join(folder, 'app.env')
    const { output } = await simulate('--out', file)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(output).toContain(`# For the app, before it starts: ${file}`)
    expect(output).toMatch(/Control page +http/)
    expect(output).not.toContain('secret')
    const { code, findings } = await askDoctor(readEnv(file))
    expect([code, troubles(findings)]).toEqual([0, []])
  })

  test('replaces what an earlier run has written, and nothing else', async () => {
    const file = join(folder, 'app.env')
    const first = await simulate('--out', file)
    await first.stop()
    await simulate('--out', file)
    const own = join(folder, '.env')
    writeFileSync(own, 'SESSION_SECRET=mine\n')
    const { code, stderr } = await runCommand(
      ['simulate', '--port', '0', '--out', own, '--state', join(folder, 'state')],
      {},
    )
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`--out ${own}: is there and not of an earlier`),
    ])
    expect(readFileSync(own, 'utf8')).toBe('SESSION_SECRET=mine\n')
  })

  test.each(['--out', '--state'])(
    '%s takes a regular file only: a pipe would be read for ever',
    async (option) => {
      const pipe = join(folder, 'pipe')
      execFileSync('mkfifo', [pipe])
      const refused = (name: string) => runCommand(['simulate', '--port', '0', option, name], {})
      expect(await refused(pipe)).toMatchObject({
        code: 1,
        stderr: `${option} ${pipe}: is no regular file\n`,
      })
      expect(await refused('')).toMatchObject({ code: 1, stderr: `${option} : needs the name of a file\n` })
    },
  )

  test('a folder that does not exist is named', async () => {
    const file = join(folder, 'nowhere', 'app.env')
    const { code, stderr } = await runCommand(['simulate', '--port', '0', '--out', file], {})
    expect([code, stderr]).toEqual([1, `--out ${file}: ENOENT\n`])
  })
})

describe('--state', () => {
  test.each(['SIGINT', 'SIGKILL'] as const)(
    'logins and incidents survive a restart after %s',
    async (signal) => {
      const file = join(folder, 'state')
      const args = ['--port', String(await freePort()), '--state', file]
      const first = await simulate(...args)
      expect(statSync(file).mode & 0o777).toBe(0o600)
      const app = await startApp(first)
      const { browser } = await app.logIn()
      expect((await browser.fetch(`${app.url}/resolve`, { method: 'POST' })).status).toBe(200)
      if (signal === 'SIGKILL') await untilWritten(file)
      await first.stop(signal)
      const second = await simulate(...args)
      await fetch(second.page, { method: 'POST', body: 'do=expire' })
      const { incidents } = (await (await app.get(browser)).json()) as Incidents
      expect(incidents[0]?.status).toBe('resolved')
      expect(await (await fetch(`${second.url}/__simulator/calls`)).json()).toMatchObject({
        token: { authorization_code: 0, refresh_token: 1 },
      })
      await app.close()
    },
  )

  /** Waits until the incident is resolved in the file. */
  async function untilWritten(file: string): Promise<void> {
    const watcher = watch(folder, { persistent: false })
    while (!isResolvedIn(readFileSync(file))) await once(watcher, 'change')
    watcher.close()
  }
  function isResolvedIn(state: Buffer): boolean {
    const { data } = deserialize(state) as { data: Map<string, Incidents> }
    return data.get('PACME00')?.incidents[0]?.status === 'resolved'
  }

  test('a link stays one, and what it leads to is written', async () => {
    const [target, link] = [join(folder, 'target'), join(folder, 'link')]
    await (await simulate('--port', '0', '--state', target)).stop('SIGINT')
    const before = readFileSync(target)
    symlinkSync(target, link)
    const simulation = await simulate('--port', '0', '--state', link)
    await fetch(simulation.page, { method: 'POST', body: 'do=expire' })
    const app = await startApp(simulation)
    await app.logIn()
    await app.close()
    await simulation.stop('SIGINT')
    expect(readlinkSync(link)).toBe(target)
    expect(readFileSync(target).equals(before)).toBe(false)
  })

  test('a file that holds no state is rejected and left unchanged', async () => {
    const file = join(folder, 'notes.txt')
    writeFileSync(file, 'my notes')
    const { code, stderr } = await runCommand(['simulate', '--port', '0', '--state', file], {})
    expect([code, stderr]).toEqual([
      1,
      `--state ${file}: That is not the state of a simulator of this version\n`,
    ])
    expect(readFileSync(file, 'utf8')).toBe('my notes')
  })
})

describe('--state with --tls', () => {
  test('keeps the certificate, so that an app goes on trusting it when the simulator is restarted', async () => {
    const file = join(folder, 'state')
    const args = ['--port', String(await freePort()), '--tls', '--state', file]
    const first = await simulate(...args)
    const certificate = readFileSync(`${file}.pem`, 'utf8')
    expect(first.env['NODE_EXTRA_CA_CERTS']).toBe(`${file}.pem`)
    expect(statSync(`${file}.pem`).mode & 0o777).toBe(0o600)
    await first.stop()
    const second = await simulate(...args)
    expect(second.env).toEqual(first.env)
    expect(readFileSync(`${file}.pem`, 'utf8')).toBe(certificate)
    // With the variables of the first run.
    const { code, findings } = await askDoctor(first.env)
    expect([code, troubles(findings)]).toEqual([0, []])
  })

  test('keeps it through a run without https, and makes another one for another state', async () => {
    const file = join(folder, 'state')
    const port = String(await freePort())
    const certificateOf = async (...args: string[]) => {
      const simulation = await simulate('--port', port, '--state', file, ...args)
      await simulation.stop()
      return readFileSync(`${file}.pem`, 'utf8')
    }
    const first = await certificateOf('--tls')
    expect(await certificateOf()).toBe(first)
    expect(await certificateOf('--tls')).toBe(first)
    rmSync(file)
    expect(await certificateOf('--tls')).not.toBe(first)
  })

  test('replaces no file of another kind', async () => {
    const file = join(folder, 'state')
    for (const own of [
      'my notes',
      readFileSync(join(__dirname, '../attacks/support/self-signed.pem'), 'utf8'),
    ]) {
      writeFileSync(`${file}.pem`, own)
      const { code, stderr } = await runCommand(['simulate', '--port', '0', '--tls', '--state', file], {})
      expect([code, stderr]).toEqual([1, `--tls ${file}.pem: is there and not of an earlier simulate\n`])
      expect(readFileSync(`${file}.pem`, 'utf8')).toBe(own)
    }
  })
})

test('each run has the same variables, users and incidents', async () => {
  const port = String(await freePort())
  const runs: unknown[] = []
  for (let run = 0; run < 2; run++) {
    const simulation = await simulate('--port', port)
    const app = await startApp(simulation)
    const { browser } = await app.logIn()
    const { incidents } = (await (await app.get(browser)).json()) as { incidents: { id: string }[] }
    runs.push([simulation.env, incidents.map(({ id }) => id)])
    await app.close()
    await simulation.stop()
  }
  expect(runs[1]).toEqual(runs[0])
})

describe('--tls', () => {
  test('speaks https with a certificate that NODE_EXTRA_CA_CERTS names, until it stops', async () => {
    const simulation = await simulate('--tls')
    const file = simulation.env['NODE_EXTRA_CA_CERTS'] as string
    expect(simulation.url).toMatch(/^https:/)
    expect(simulation.output).toContain('let the shell set it')
    const { code, findings } = await askDoctor(simulation.env)
    expect([code, troubles(findings)]).toEqual([0, []])
    const ca = readFileSync(file)
    const press = (origin: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request(
          simulation.page,
          { method: 'POST', ca, headers: { Origin: origin } },
          (answer) => {
            answer.resume()
            resolve(answer.statusCode)
          },
        )
        sent.on('error', reject).end('do=reset')
      })
    expect(await press(simulation.url)).toBe(303)
    expect(await press(simulation.url.replace('https', 'http'))).toBe(403)
    expect(await simulation.stop()).toBe(0)
    expect(existsSync(file)).toBe(false)
  })
})
