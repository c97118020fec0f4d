import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { transformSync } from 'esbuild'
import { type Simulator, approve } from '../../src/testing'
import { folders } from '../attacks/support/paths'
import { Browser } from '../support/browser'
import { program as cli } from '../support/command'
import { freePort } from '../support/redis'
import { type Example, nameOf, programOf, root } from './examples'

/** Where examples lie: beside the packed package, as a user's files do. */
export const folder = join(folders[5], 'docs')

/**
 * Has the program listen where the test expects it, wherever it says, and takes what it sends by node:https, to whatever
 * host, to a port of the test: without TLS, which the simulator does not speak.
 */
const elsewhere = `
import { globalAgent } from 'node:https'
import { Server, connect } from 'node:net'
globalAgent.createConnection = () => connect(Number(process.env.TEST_HTTPS_PORT), '127.0.0.1')
const { listen } = Server.prototype
Server.prototype.listen = function (...args) {
  this.once('listening', () => process.send('listening'))
  return listen.call(this, Number(process.env.TEST_PORT), '127.0.0.1', args.find((arg) => typeof arg === 'function'))
}
`

/** An example that runs. */
export class RunningExample {
  readonly url: string
  /** What it wrote to its standard output; all of it once it is stopped. */
  printed = ''
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
    child.stdout?.on('data', (chunk: Buffer) => (this.printed += chunk.toString()))
  }

  static async start(
    name: string,
    program: string,
    env: Record<string, string>,
    atPort?: number,
  ): Promise<RunningExample> {
    const file = write(name.endsWith('.cjs') ? name : `${name}.mjs`, program)
    const preload = write('elsewhere.mjs', elsewhere)
    const port = atPort ?? (await freePort())
    const url = `http://127.0.0.1:${port}`
    const given = {
      PAGERDUTY_CALLBACK_URL: 'http://localhost:3000/auth/pagerduty/callback',
      SESSION_SECRET: 'some secret of thirty-two characters and more',
      ...env,
    }
    const moved = Object.entries(given).map(([variable, value]) => [
      variable,
      value.replace('http://localhost:3000', url),
    ])
    const child = fork(file, {
      execArgv: ['--import', preload],
      env: { PATH: process.env['PATH'], TEST_PORT: String(port), ...Object.fromEntries(moved) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let complaint = ''
    child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`The example ended: ${complaint}`)))
    await Promise.race([once(child, 'message'), ended])
    ended.catch(() => {})
    return new RunningExample(child, url)
  }

  /** A browser that has logged in by opening a page of the example. */
  async logIn(path = '/auth/pagerduty', user = 'PACME01', browser = new Browser()): Promise<Browser> {
    let at = this.url + path
    // A guard sends a browser to the login path first.
    while (at.startsWith(this.url)) {
      const answer = await browser.visit(at)
      at = new URL(answer.headers.get('location') ?? 'nowhere:', at).href
    }
    const { status } = await browser.visit(await approve(at, { user }))
    if (status !== 302) throw new Error(`The login ended with ${status}`)
    return browser
  }

  /** Waits until it has ended: with which code, or by which signal. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const [code, signal] = (await once(this.#child, 'exit')) as [number | null, NodeJS.Signals | null]
    return { code, signal }
  }

  /** Asks it to end, as an orchestrator does, and waits until it has. */
  terminate(): ReturnType<RunningExample['ended']> {
    const ended = this.ended()
    this.#child.kill('SIGTERM')
    return ended
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** Runs an app until it was used, and returns what it printed. */
export async function runApp(
  one: Example,
  env: Record<string, string>,
  use: (app: RunningExample) => Promise<void>,
): Promise<string> {
  const app = await RunningExample.start(fileOf(one), programOf(one), env)
  try {
    await use(app)
  } finally {
    await app.stop()
  }
  return app.printed
}

/** Files of tests, and pieces of tests by their names. */
export interface Tests {
  files: string[]
  pieces: Record<string, string>
  /** Whether nothing may be left open at their end. */
  endByThemselves?: boolean
}

/** Runs tests in one process, each piece as a test, and returns what node:test reports. */
export async function runTests({ files, pieces, endByThemselves }: Tests): Promise<string> {
  const imports = files.map((program, number) => `import '${write(`tests-${number}.mjs`, program)}'`)
  const tests = Object.entries(pieces).map(
    ([name, program], number) => `test('${name}', () => import('${write(`piece-${number}.mjs`, program)}'))`,
  )
  const all = ["import { test } from 'node:test'", ...imports, ...tests].join('\n')
  const report = (error: { stdout: string; killed: boolean }) => {
    if (error.killed) throw new Error(`The tests did not end: ${error.stdout}`)
    return error.stdout
  }
  const exit = endByThemselves ? [] : ['--test-force-exit']
  return runNode([...exit, '--test-reporter=tap', write('all.test.mjs', all)]).catch(report)
}

/** Runs a test by Jest as an ECMAScript module, and returns what Jest reports, whether it passed or not. */
export async function runJest(program: string, own: Record<string, string>): Promise<string> {
  const file = write('jest.test.mjs', program)
  const config = {
    rootDir: folder,
    testMatch: [file],
    testPathIgnorePatterns: [],
    transform: {},
    haste: { retainAllFiles: true },
  }
  const jest = join(root, 'node_modules/jest/bin/jest.js')
  const env = { PATH: process.env['PATH'], ...own }
  const args = [jest, '--config', JSON.stringify(config)]
  const ended = promisify(execFile)('node', args, { cwd: folder, env, timeout: 30_000 })
  const { stderr } = await ended.catch((error: { stderr: string }) => error)
  return stderr
}

/** Runs a program to its end, and returns what it printed. Rejects with its complaint where it fails. */
export function runScript(name: string, program: string, env: Record<string, string> = {}): Promise<string> {
  return runNode([write(`${name}.mjs`, program)], env)
}

async function runNode(args: string[], own: Record<string, string> = {}): Promise<string> {
  const env = { PATH: process.env['PATH'], ...own }
  return (await promisify(execFile)('node', args, { env, timeout: 30_000 })).stdout
}

/** Runs what stands in a shell, where `npx passport-pagerduty` is the built command, and returns what it printed. */
export async function runShell(text: string, cwd = folder): Promise<string> {
  const npx = `npx() { shift; node '${cli}' "$@"; }\n`
  return (await promisify(execFile)('sh', ['-c', npx + text], { cwd, env: { PATH: process.env['PATH'] } }))
    .stdout
}

/** A name for the file of an example. */
export function fileOf(one: Example): string {
  return nameOf(one).replace(/\W+/g, '-').toLowerCase()
}

/** NestJS needs the older decorators. */
const compiled = {
  loader: 'ts',
  target: 'node20',
  tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
} as const

function write(name: string, program: string): string {
  const file = join(folder, name)
  mkdirSync(folder, { recursive: true })
  const format = name.endsWith('.cjs') ? 'cjs' : 'esm'
  // A process that another worker starts may read the file at this moment.
  const whole = `${file}.${process.pid}`
  writeFileSync(whole, transformSync(program, { ...compiled, format }).code)
  renameSync(whole, file)
  return file
}

/** The environment of an example at a simulator. */
export function environmentOf(simulator: Simulator): Record<string, string> {
  return { ...simulator.env(), PAGERDUTY_ACCOUNT: 'us.acme' }
}

/** Types of the incidents in the response. */
export async function typesOf(answer: Response): Promise<string[]> {
  const { incidents } = (await answer.json()) as { incidents: { type: string }[] }
  return incidents.map(({ type }) => type)
}
