import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Simulator } from '../../src/testing'
import type { RedisServer } from './redis'

/** One process of an app. */
export interface Worker {
  child: ChildProcess
  /** Where it listens, if it does. */
  url: string
}

/** Starts a program of this folder as one process of an app over Redis, and waits until it says that it is there. */
export async function startWorker(
  program: string,
  simulator: Simulator,
  redis: RedisServer,
  env: Record<string, string> = {},
): Promise<Worker> {
  const child = fork(join(__dirname, program), {
    execArgv: ['--require', 'esbuild-register', '--no-warnings'],
    env: {
      ...process.env,
      ...simulator.env(),
      NODE_ENV: 'production',
      REDIS_URL: redis.url,
      SESSION_SECRET: 'a secret of thirty-two characters or more for tests',
      ...env,
    },
  })
  const died = once(child, 'exit').then(() => Promise.reject(new Error('A worker ended before it was there')))
  const [url] = (await Promise.race([once(child, 'message'), died])) as [string]
  return { child, url }
}

/** Has it do something, and returns what came of it. */
export async function send<Outcome>({ child }: Worker, order: object): Promise<Outcome> {
  const answer = once(child, 'message') as Promise<[Outcome]>
  child.send(order)
  return (await answer)[0]
}
