import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool, type PoolConfig } from 'pg'
import { describeWith, programs } from './programs'
import { freePort } from './redis'

/** A PostgreSQL server of the test's own. */
export interface PostgresServer {
  readonly url: string
  readonly port: number
  /** A pool of the superuser's. The server ends it. */
  readonly admin: Pool
  /** Lets all its processes keep their connections and do nothing. */
  freeze(): void
  thaw(): void
  /** Ends it at once, as a crash does; it can be started again. */
  crash(): Promise<void>
  /** Ends all its processes at once, as a power failure does. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Starts a standby that streams from it; `SELECT pg_promote()` there makes it a primary. It waits for none. */
  follow(): Promise<PostgresServer>
  /** Ends it for good. */
  stop(): Promise<void>
}

export const describeWithPostgres = describeWith('postgresql')
export const describeWithPgBouncer = describeWith('postgresql', 'pgbouncer')

/** These servers do not run as root. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg-'))
  if (nobody.uid !== undefined) chownSync(directory, nobody.uid, nobody.gid)
  return directory
}

/** Makes a cluster, and starts it on a free port of 127.0.0.1. */
export function startPostgres(): Promise<PostgresServer> {
  const locale = ['-E', 'UTF8', '--locale=C']
  return startCluster((data) => [
    'initdb',
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', ...locale],
  ])
}

/** @param maker what makes the folder of the data, and its arguments */
async function startCluster(maker: (data: string) => [string, string[]]): Promise<PostgresServer> {
  const bin = programs.postgresql as string
  const directory = temporaryDirectory()
  const port = await freePort()
  const data = join(directory, 'data')
  const [program, args] = maker(data)
  execFileSync(join(bin, program), args, { ...nobody, cwd: directory, stdio: 'ignore' })
  const settings = [
    `port=${port}`,
    `unix_socket_directories=${directory}`,
    'listen_addresses=127.0.0.1',
    'fsync=off',
    // A test that is run again because it was late opens pools once more before the first ones are closed.
    'max_connections=500',
  ]
  const run = () =>
    runServer(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((each) => ['-c', each])], directory)
  let server = await run()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const admin = poolOf(url)
  const signal = (name: NodeJS.Signals) => {
    for (const pid of [server.pid, ...childrenOf(server.pid)]) {
      try {
        process.kill(pid, name)
      } catch {
        // A child may have ended since it was listed.
      }
    }
  }
  return {
    url,
    port,
    admin,
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    crash: () => server.end('SIGQUIT'),
    async kill() {
      signal('SIGKILL')
      await server.end('SIGKILL')
    },
    async start() {
      server = await run()
    },
    follow: () =>
      startCluster((copy) => [
        'pg_basebackup',
        ['-d', url, '-D', copy, '--write-recovery-conf', '--checkpoint=fast', '--no-sync'],
      ]),
    async stop() {
      if (server.isRunning()) signal('SIGCONT')
      await admin.end()
      await server.end('SIGQUIT')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Starts PgBouncer in transaction mode before a server, with its defaults: it rejects unknown parameters at the start of a connection. */
export async function startPgBouncer(target: number): Promise<{ url: string; stop(): Promise<void> }> {
  const directory = temporaryDirectory()
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
* = host=127.0.0.1 port=${target} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
`,
    { mode: 0o644 },
  )
  const bouncer = await runServer(programs.pgbouncer as string, [file], directory)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await bouncer.end('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A pool like a user's. */
export function poolOf(url: string, config: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString: url, ...config })
  pool.on('error', () => {})
  return pool
}

async function runServer(program: string, args: readonly string[], cwd: string) {
  const child = spawn(program, args, { ...nobody, cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (/ready to accept|process up/.test(output)) resolve()
    })
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}: ${output}`)))
  })
  child.stderr.removeAllListeners('data').resume()
  return {
    pid: child.pid as number,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async end(signal: NodeJS.Signals) {
      child.kill(signal)
      await exited
    },
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}
