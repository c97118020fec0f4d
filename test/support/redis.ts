import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const binary = process.env['REDIS_SERVER_BIN'] ?? 'redis-server'

/** A Redis process of the test's own. */
export interface RedisServer {
  url: string
  port: number
  /** Lets it keep its connections and answer nothing. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Whether redis-server is installed. On CI a missing one is a failure, elsewhere a loud line. */
export const hasRedis = spawnSync(binary, ['--version']).status === 0

/** `describe` for tests that need Redis. */
export const describeWithRedis = need('redis-server', hasRedis)

/** `describe`, or a loud line that says what is left out and how to get it. */
export function need(program: string, isThere: boolean): typeof describe {
  if (isThere) return describe
  const line = `${program} is missing, its tests are left out: apt-get install -y --no-install-recommends ${program}`
  if (process.env['CI']) throw new Error(line)
  process.stderr.write(`\n\x1b[1;31m!!! ${line}\x1b[0m\n\n`)
  return describe.skip as typeof describe
}

/** Starts redis-server on a free port of 127.0.0.1, keeping nothing on disk. */
export async function startRedis(wantedPort?: number): Promise<RedisServer> {
  const port = wantedPort ?? (await freePort())
  const directory = mkdtempSync(join(tmpdir(), 'redis-'))
  const settings = [
    '--port',
    port,
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    directory,
  ]
  const child = spawn(binary, settings.map(String), { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('Ready to accept connections')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output}`)))
  })
  child.stdout.resume()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
