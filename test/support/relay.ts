import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'

/** From the client to the server, or back. */
export type Direction = 'out' | 'back'

/**
 * What a relay does with what arrives.
 *
 * - `pass`: hands it on.
 * - `dropReplies`: the server gets everything, the client gets nothing.
 * - `blackhole`: connections are taken and stay open, but nothing passes in either direction. A connection that has
 *   lost something this way stays dead, as one does that a firewall has forgotten; a later one is sound.
 * - The last mode resets existing connections and new ones.
 */
export type RelayMode = 'pass' | 'dropReplies' | 'blackhole' | 'refuse'

/** A TCP port of 127.0.0.1 in front of another one, as bad as the test wants it. */
export interface Relay {
  readonly port: number
  /** The port it leads to; connections that are open stay where they are. */
  target: number
  mode: RelayMode
  /** Milliseconds by which each chunk is late, in both directions. */
  delay: number
  /** Resets the connections that are open now; new ones are welcome. */
  cut(): void
  close(): Promise<void>
}

/** Sees each chunk before it is handed on, and may hold it, and what follows it, until its promise resolves. */
export type OnData = (direction: Direction, chunk: Buffer) => void | Promise<void>

/** Starts a relay to a port of 127.0.0.1. */
export async function startRelay(target: number, onData: OnData = () => {}): Promise<Relay> {
  const sockets = new Set<Socket>()
  let mode: RelayMode = 'pass'

  // The end of a dead connection is not acknowledged either.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (mode === 'refuse') return void client.resetAndDestroy()
    const upstream = connect({ port: relay.target, host: '127.0.0.1', allowHalfOpen: true })
    let isDead = false
    const isLost = (direction: Direction) => {
      const isDropped = mode === 'dropReplies' && direction === 'back'
      const isHeard = mode === 'dropReplies' && direction === 'out'
      isDead ||= mode === 'blackhole' || isDropped
      return isDead && !isHeard
    }
    const carry = (from: Socket, to: Socket, direction: Direction) => {
      let last = Promise.resolve()
      from.on('data', (chunk: Buffer) => {
        if (isLost(direction)) return
        const held = onData(direction, chunk)
        last = last.then(async () => {
          await held
          if (relay.delay > 0) await new Promise((resolve) => setTimeout(resolve, relay.delay))
          if (!to.destroyed) to.write(chunk)
        })
      })
      from.on('end', () => {
        if (!isLost(direction)) void last.then(() => to.end())
      })
      from.on('error', () => {}) // The close that follows says enough.
      from.on('close', () => {
        sockets.delete(from)
        if (!isLost(direction)) void last.then(() => to.destroy())
      })
      sockets.add(from.setNoDelay(true))
    }
    carry(client, upstream, 'out')
    carry(upstream, client, 'back')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const relay: Relay = {
    port: (server.address() as AddressInfo).port,
    target,
    delay: 0,
    get mode() {
      return mode
    },
    set mode(next) {
      mode = next
      if (next === 'refuse') relay.cut()
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
  return relay
}
