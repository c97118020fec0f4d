import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Simulator } from '../../../src/testing'

const running: (() => Promise<unknown>)[] = []
afterEach(() => Promise.all(running.splice(0).map((stop) => stop())))

/** Starts an app of another library in a process of its own, at the simulator; resolves with its address. Ends after the test. */
export async function startProgram(program: string, simulator: Simulator): Promise<string> {
  const child = fork(join(__dirname, program), [JSON.stringify(simulator.options())], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = once(child, 'exit')
  running.push(() => {
    child.kill()
    return ended
  })
  const failed = ended.then(() => Promise.reject(new Error(`${program} ended:\n${said}`)))
  const [url] = (await Promise.race([once(child, 'message'), failed])) as [string]
  failed.catch(() => {})
  return url
}
