import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { example } from '../docs/examples'
import { freePort } from '../support/redis'

/** What the test does as the page says, but for names that a test cannot have. */
export interface Newcomer {
  /** The packed package, in place of its name in the registry. */
  tarball: string
  /** A version or range. */
  express: string
  /** Of the Node that the newcomer has. @default the PATH of the tests */
  path?: string
  /** Opens a page, logs in by its link, and returns the text it ends at. */
  visit: (url: string, say: (line: string) => void) => Promise<string>
  /** Installs without a registry. */
  installOffline?: (folder: string) => void
}

/** How it went. */
export interface Walk {
  /** The commands, and what a user saw. Ports are those of the page. */
  transcript: string
  page: string
  linesOfCode: number
  seconds: number
  /** Packages that npm added; undefined without a registry. */
  packages: number | undefined
  registryTrouble: string | undefined
}

const quiet = {
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  npm_config_prefer_offline: 'true',
  npm_config_fetch_retries: '0',
  npm_config_loglevel: 'error',
  npm_config_yes: 'false',
}

/** Does what the README says, in an empty folder. */
export async function followQuickStart(newcomer: Newcomer): Promise<Walk> {
  const [install, program, simulate, start] = [
    'README.md, Install, sh',
    'README.md, Quick start, ts',
    'README.md, Quick start, sh',
    'README.md, Quick start, sh 2',
  ].map((one) => example(one).code.trim()) as [string, string, string, string]
  const above = await mkdtemp(join(tmpdir(), 'newcomer-'))
  const folder = join(above, 'my-app')
  await mkdir(folder)
  const port = await freePort()
  const env = { ...quiet, PATH: newcomer.path ?? process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' }
  const terminal = new Terminal(folder, env)
  const said: string[] = []
  const say = (line: string) =>
    void said.push(line.replaceAll(`:${port}`, ':3000').replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:4000'))
  const began = performance.now()
  try {
    const installed = await runInstall(newcomer, terminal, install, say)
    const name = start.split(' ').at(-1) as string
    const elsewhere = program.replaceAll('3000', String(port))
    await writeFile(join(folder, name), elsewhere)
    say(`(${name} is written: ${linesOf(program)} lines)`)

    say(`$ ${simulate}`)
    const variables = join(folder, simulate.split(' ').at(-1) as string)
    const simulator = terminal.open(simulate)
    const written = await complete(variables, simulator)
    for (const line of simulator.printed.trimEnd().split('\n')) say(line)
    await writeFile(variables, written.replaceAll('localhost:3000', `localhost:${port}`))

    say(`$ ${start}`)
    const app = terminal.open(start)
    await listening(port, app)
    const page = await newcomer.visit(`http://localhost:${port}/`, say)
    const seconds = (performance.now() - began) / 1000
    await terminal.close()
    for (const line of app.printed.trimEnd().split('\n').filter(Boolean)) say(`(app.js printed) ${line}`)
    return { transcript: `${said.join('\n')}\n`, page, linesOfCode: linesOf(program), seconds, ...installed }
  } finally {
    await terminal.close()
    await rm(above, { recursive: true, force: true })
  }
}

/** npm's output differs from version to version; only its count of packages is reported. */
async function runInstall(
  { tarball, express, installOffline }: Newcomer,
  terminal: Terminal,
  commands: string,
  say: (line: string) => void,
): Promise<Pick<Walk, 'packages' | 'registryTrouble'>> {
  let packages: number | undefined
  let registryTrouble: string | undefined
  for (const command of commands.split('\n')) {
    say(`$ ${command}`)
    const real = command
      .replace(' passport-pagerduty', ` ${tarball}`)
      .replace(' express', ` express@${express}`)
    try {
      const printed = await terminal.run(real)
      const added = /^added (\d+) packages/m.exec(printed)?.[1]
      if (added !== undefined) packages = Number(added)
    } catch (error) {
      if (installOffline === undefined || real === command) throw error
      registryTrouble = error instanceof Error ? error.message : String(error)
      installOffline(terminal.folder)
    }
  }
  return { packages, registryTrouble }
}

function linesOf(program: string): number {
  return program.split('\n').filter((line) => line.trim() !== '').length
}

/** What the simulator wrote into its file, once it has printed all that a user reads. */
async function complete(file: string, simulator: Job): Promise<string> {
  while (!/\n# The callback URL .*\n$/.test(simulator.printed)) {
    await Promise.race([wait(50), simulator.failure])
  }
  return readFile(file, 'utf8')
}

/** Waits until the app listens, as a user does who reloads the page. */
async function listening(port: number, app: Job): Promise<void> {
  while (!(await answers(port))) await Promise.race([wait(50), app.failure])
}

async function answers(port: number): Promise<boolean> {
  return fetch(`http://localhost:${port}/favicon.ico`, { redirect: 'manual' }).then(
    () => true,
    () => false,
  )
}

interface Job {
  printed: string
  /** Rejects when it ends by itself. */
  failure: Promise<never>
}

/** The terminals of a user: commands of a shell, in one folder. */
class Terminal {
  readonly folder: string
  readonly #env: Record<string, string>
  readonly #open = new Map<ChildProcess, Promise<unknown>>()

  constructor(folder: string, env: Record<string, string>) {
    this.folder = folder
    this.#env = env
  }

  async run(command: string): Promise<string> {
    const options = { cwd: this.folder, env: this.#env, encoding: 'utf8', timeout: 240_000 } as const
    return (await promisify(execFile)('sh', ['-c', command], options)).stdout
  }

  /** Starts what runs until it is stopped. */
  open(command: string): Job {
    const child = spawn('sh', ['-c', command], {
      cwd: this.folder,
      env: this.#env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const job: Job = { printed: '', failure: new Promise(() => {}) }
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (job.printed += chunk.toString()))
    }
    const closed = once(child, 'close')
    this.#open.set(child, closed)
    job.failure = closed.then(([code]) => {
      throw new Error(`"${command}" ended with ${code}: ${job.printed}`)
    })
    job.failure.catch(() => {})
    return job
  }

  /** Stops all, as Ctrl-C does. */
  async close(): Promise<void> {
    for (const [child, closed] of this.#open) {
      this.#open.delete(child)
      if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGINT')
      await closed
    }
  }
}
