import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type Simulator, approve } from '../../../src/testing'
import { Browser } from '../../support/browser'
import { folders, program } from './paths'
import type { Answer, Order, Results, VictimSettings } from './victim-settings'

/** How a victim is started. */
export interface VictimStart extends Omit<VictimSettings, 'options'> {
  express: keyof typeof folders
  /** Options of `pagerduty()`; what is left out points at the simulator. */
  options?: VictimSettings['options']
  env?: Record<string, string>
}

/** An app around the packed package, in a process of its own. */
export class Victim {
  readonly url: string
  /** What it let out on stdout and stderr. */
  output = ''
  /** Unhandled rejections and uncaught exceptions. */
  readonly problems: string[] = []
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #orders = 0

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
    child.on('message', (answer: Answer) => {
      if ('problem' in answer) this.problems.push(answer.problem)
      if (!('id' in answer)) return
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
  }

  static async start(simulator: Simulator | undefined, start: VictimStart): Promise<Victim> {
    const { express, env, options, ...rest } = start
    const settings: VictimSettings = { ...rest, options: { ...simulator?.options(), ...options } }
    if (start.regions !== undefined) delete settings.options?.apiURL
    const child = fork(join(folders[express], program), {
      execArgv: ['--expose-gc'],
      env: { PATH: process.env['PATH'], VICTIM: JSON.stringify(settings), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let output = ''
    const hear = (chunk: Buffer) => void (output += chunk.toString())
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    const died = once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`The victim ended with ${code} before it listened: ${output}`)),
    )
    died.catch(() => {})
    const [message] = (await Promise.race([once(child, 'message'), died])) as [Answer]
    if (!('url' in message)) {
      child.kill('SIGKILL')
      throw new Error(`The victim did not start: ${JSON.stringify(message)}`)
    }
    const victim = new Victim(child, message.url)
    Object.defineProperty(victim, 'output', { get: () => output })
    return victim
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Has it do something, and returns what came of it. */
  async order<Kind extends Order['kind']>(order: Extract<Order, { kind: Kind }>): Promise<Results[Kind]> {
    const id = ++this.#orders
    const answered = new Promise<Results[Kind]>((resolve, reject) => {
      this.#waiting.set(id, (answer) => {
        if ('result' in answer) resolve(answer.result as Results[Kind])
        else if ('failure' in answer) reject(new Error(answer.failure))
      })
    })
    this.#child.send({ id, order })
    return answered
  }

  /** Waits until it has said this on stderr. */
  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) await once(this.#child.stderr as Readable, 'data')
  }

  /** How often a handler that needs a login, a scope or a signature has run. */
  handled(): Promise<number> {
    return this.order({ kind: 'handled' })
  }

  /** Begins a login in a browser, and returns PagerDuty's authorize URL. */
  async begin(browser: Browser, path = '/auth/pagerduty'): Promise<string> {
    const begun = await browser.visit(this.url + path)
    const location = begun.headers.get('location')
    if (location === null) throw new Error(`No login began: ${begun.status} ${await begun.text()}`)
    return location
  }

  /** Begins a login, has PagerDuty's side of it approved, and returns the callback URL. */
  async approved(browser: Browser, user = 'PACME01'): Promise<string> {
    return approve(await this.begin(browser), { user })
  }

  /** The whole way of a login. */
  async logIn(browser = new Browser(), user = 'PACME01'): Promise<Browser> {
    const finished = await browser.visit(await this.approved(browser, user))
    if (finished.status !== 302) {
      throw new Error(`The login failed: ${finished.status} ${await finished.text()}`)
    }
    return browser
  }

  /** Who the app takes this browser for. */
  async userOf(browser: Browser): Promise<string | null> {
    const answer = await browser.fetch(`${this.url}/`)
    return ((await answer.json()) as { user: string | null }).user
  }

  /** `kill -9` */
  async stop(): Promise<void> {
    if (!this.isAlive) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
