import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { type StandIn, approve } from '../../src/testing'
import { folders } from '../attacks/support/paths'
import { Browser } from '../support/browser'
import { freePort } from '../support/redis'

/** Where examples lie: beside the packed package, as a user's files do. */
export const folder = join(folders[5], 'docs')

/**
 * Has the program listen where the test expects it, wherever it says, and takes what it sends by node:https, to whatever
 * host, to a port of the test: without TLS, which the stand-in does not speak.
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
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(name: string, program: string, env: Record<string, string>): Promise<RunningExample> {
    mkdirSync(folder, { recursive: true })
    const preload = join(folder, 'elsewhere.mjs')
    const file = join(folder, `${name}.mjs`)
    writeFileSync(preload, elsewhere)
    writeFileSync(file, transformSync(program, { loader: 'ts', format: 'esm', target: 'node20' }).code)
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const child = fork(file, {
      execArgv: ['--import', preload],
      env: {
        PATH: process.env['PATH'],
        TEST_PORT: String(port),
        PAGERDUTY_CALLBACK_URL: `${url}/auth/pagerduty/callback`,
        SESSION_SECRET: 'some secret of thirty-two characters and more',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
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
    await browser.visit(await approve(at, { user }))
    return browser
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** Runs a file of tests of an example, and returns what node:test reports. */
export function runTests(name: string, program: string): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.test.mjs`)
  writeFileSync(file, transformSync(program, { loader: 'ts', format: 'esm', target: 'node20' }).code)
  // Within Jest's environment node:test would take itself for a child of another one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = spawnSync('node', ['--test', '--test-reporter=tap', file], { encoding: 'utf8', env })
  return stdout
}

/** The environment of an example at a stand-in. */
export function environmentOf(standIn: StandIn): Record<string, string> {
  return { ...standIn.env(), PAGERDUTY_ACCOUNT: 'us.acme' }
}
