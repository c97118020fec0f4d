import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describeWith, programs } from './programs'

/** A Redis process of the test's own. */
export interface RedisServer {
  url: string
  port: number
  /** Lets it keep its connections and not respond. */
  freeze(): void
  thaw(): void
  /** Ends it at once, as a crash does. */
  stop(): Promise<void>
}

/** What is not usual about a server. */
export interface RedisSettings {
  port?: number
  /** Holds its files, and is left as it is when the server stops. */
  directory?: string
  /** More arguments of the command line. */
  more?: readonly (string | number)[]
}

/** `describe` for tests that need Redis. */
export const describeWithRedis = describeWith('redis-server')

/** Starts redis-server on a free port of 127.0.0.1, keeping nothing on disk unless told otherwise. */
export async function startRedis(settings: RedisSettings = {}): Promise<RedisServer> {
  const { directory = temporaryDirectory() } = settings
  const port = settings.port ?? (await freePort())
  const usual = [
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
  const server = await run([...usual, ...(settings.more ?? [])], 'Ready to accept connections')
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    freeze: server.freeze,
    thaw: server.thaw,
    async stop() {
      await server.stop()
      if (settings.directory === undefined) rmSync(directory, { recursive: true, force: true })
    },
  }
}

/**
 * Sees the commands that the library sends over its connection beside a client. To be called before that is opened.
 *
 * @param seen gets a command before it is sent; a promise holds it
 */
export function watchCommands(client: Redis, seen: (...command: string[]) => unknown): void {
  const duplicate = client.duplicate.bind(client)
  client.duplicate = (override) => {
    const made = duplicate(override)
    const call = made.call.bind(made) as (...command: string[]) => Promise<unknown>
    return Object.assign(made, {
      async call(...command: string[]) {
        await seen(...command)
        return call(...command)
      },
    })
  }
}

/** Starts redis-server with these arguments, and waits until it says that it is there. */
export async function run(
  args: readonly (string | number)[],
  sign: string,
): Promise<Pick<RedisServer, 'freeze' | 'thaw' | 'stop'>> {
  const child = spawn(programs['redis-server'] as string, args.map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes(sign)) resolve()
    })
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output}`)))
  })
  child.stdout.removeAllListeners('data').resume()
  return {
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** One for all tests of a `describe`, with a client. */
export function useRedis(): { readonly url: string; readonly client: Redis } {
  let server: RedisServer
  const held = {} as { url: string; client: Redis }
  beforeAll(async () => {
    server = await startRedis()
    Object.assign(held, { url: server.url, client: new Redis(server.url) })
  })
  afterAll(async () => {
    held.client.disconnect()
    await server.stop()
  })
  return held
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'redis-'))
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
