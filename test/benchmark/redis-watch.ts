import { Redis } from 'ioredis'
import { type Relay, startRelay } from '../support/relay'
import { type RedisServer, startRedis } from '../support/redis'
import { CommandCounter } from './resp'

/** What went between an app and Redis. */
export interface Traffic {
  /** Commands that the client sent. */
  sent: number
  names: Record<string, number>
  /** Commands that Redis executed, those inside of scripts among them. */
  executed: number
  /** Bytes, both ways. */
  bytes: number
}

/** A Redis, and relays in front of it that count. */
export class RedisWatch {
  readonly #server: RedisServer
  readonly #inspector: Redis
  readonly #counters: CommandCounter[] = []
  readonly #relays: Relay[] = []
  #bytes = 0

  private constructor(server: RedisServer) {
    this.#server = server
    this.#inspector = new Redis(server.url)
  }

  static async start(): Promise<RedisWatch> {
    return new RedisWatch(await startRedis())
  }

  /** Redis itself, uncounted and without a detour. */
  get url(): string {
    return this.#server.url
  }

  /** A way to it that counts, for one process: a counter reads one connection. */
  async counted(): Promise<string> {
    const counter = new CommandCounter()
    const relay = await startRelay(this.#server.port, (direction, chunk) => {
      this.#bytes += chunk.length
      if (direction === 'out') counter.add(chunk)
    })
    this.#counters.push(counter)
    this.#relays.push(relay)
    return `redis://127.0.0.1:${relay.port}`
  }

  /** Counts what goes over all relays while the work is done. */
  async during(work: () => Promise<unknown>): Promise<Traffic> {
    for (const counter of this.#counters) counter.reset()
    await this.#inspector.config('RESETSTAT')
    this.#bytes = 0
    await work()
    const bytes = this.#bytes
    const stats = await this.#inspector.info('commandstats')
    const calls = [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
    const executed = calls.filter(([, name]) => name !== 'info' && name !== 'config|resetstat')
    const names: Record<string, number> = {}
    for (const { commands } of this.#counters) {
      for (const [name, count] of commands) names[name] = (names[name] ?? 0) + count
    }
    return {
      sent: this.#counters.reduce((sum, { total }) => sum + total, 0),
      names,
      executed: executed.reduce((sum, [, , count]) => sum + Number(count), 0),
      bytes,
    }
  }

  async close(): Promise<void> {
    this.#inspector.disconnect()
    await Promise.all(this.#relays.map((relay) => relay.close()))
    await this.#server.stop()
  }
}

export function showCommands(names: Record<string, number>): string {
  return Object.entries(names)
    .map(([name, count]) => (count === 1 ? name : `${count} ${name}`))
    .join(', ')
}
