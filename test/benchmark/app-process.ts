import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** How a storm ended in one process. */
export interface Stormed {
  statuses: Record<string, number>
  /** Milliseconds. */
  latencies: number[]
}

/** A program of `apps` in a process of its own. */
export class AppProcess {
  readonly url: string
  readonly #child: ChildProcess
  #calls = 0

  private constructor(child: ChildProcess, url: string) {
    this.#child = child.setMaxListeners(0)
    this.url = url
  }

  static async start(program: string, env: Record<string, string> = {}): Promise<AppProcess> {
    const child = fork(join(__dirname, 'apps', `${program}.mjs`), {
      execArgv: ['--expose-gc', '--no-warnings'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production', REDIS_URL: '', ...env },
    })
    let complaint = ''
    child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
    const died = once(child, 'exit').then(() => {
      throw new Error(`${program} ended before it listened: ${complaint}`)
    })
    const [{ url }] = (await Promise.race([once(child, 'message'), died])) as [{ url: string }]
    died.catch(() => {})
    return new AppProcess(child, url)
  }

  /** Asks it for a thing of its work, by name. */
  async ask<Answer>(name: string, argument?: unknown): Promise<Answer> {
    const id = this.#calls++
    const answered = new Promise<Answer>((resolve, reject) => {
      const hear = (message: { id: number; answer: Answer }) => {
        if (message.id !== id) return
        this.#child.off('message', hear)
        this.#child.off('exit', fail)
        resolve(message.answer)
      }
      const fail = () => reject(new Error('The process ended'))
      this.#child.on('message', hear)
      this.#child.on('exit', fail)
    })
    this.#child.send({ id, name, argument })
    return answered
  }

  /** Microseconds of CPU that it has used since it began. */
  async cpu(): Promise<number> {
    const { user, system } = await this.ask<NodeJS.CpuUsage>('cpu')
    return user + system
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
