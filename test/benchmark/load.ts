import { once } from 'node:events'
import { type Socket, connect } from 'node:net'

/** One kind of request. */
export interface Shot {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: string
}

const endOfHead = Buffer.from('\r\n\r\n')

/**
 * Connections that are kept open and do as little as they can, so that what is measured is the server: the bytes of a
 * request are built once, and only the status and the length of a response are read.
 */
export class Load {
  readonly #sockets: readonly Socket[]

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
  }

  static async open(url: string, connections: number): Promise<Load> {
    const sockets = Array.from({ length: connections }, () => connect(Number(new URL(url).port), '127.0.0.1'))
    for (const socket of sockets) socket.setNoDelay(true).on('error', () => {}) // The close that follows says enough.
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    return new Load(sockets)
  }

  /**
   * Sends this many requests, as fast as responses come, and expects this status of each.
   *
   * @param shot makes the request of that number
   * @returns milliseconds it took
   */
  async send(requests: number, shot: (number: number) => Shot, status = 200): Promise<number> {
    let sent = 0
    const startedAt = performance.now()
    const work = async (socket: Socket) => {
      while (sent < requests) {
        const answered = await exchange(socket, bytesOf(shot(sent++)))
        if (answered !== status) throw new Error(`answered with ${answered} instead of ${status}`)
      }
    }
    await Promise.all(this.#sockets.map(work))
    return performance.now() - startedAt
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function bytesOf({ method = 'GET', path, headers = {}, body = '' }: Shot): string {
  const all = { host: 'localhost', ...headers, ...(body && { 'content-length': Buffer.byteLength(body) }) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

function exchange(socket: Socket, bytes: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let data: Buffer = Buffer.alloc(0)
    const done = (result: number | Error) => {
      socket.off('data', hear)
      socket.off('close', lost)
      if (result instanceof Error) reject(result)
      else resolve(result)
    }
    const lost = () => done(new Error('the connection was closed'))
    const hear = (chunk: Buffer) => {
      data = data.length === 0 ? chunk : Buffer.concat([data, chunk])
      const end = data.indexOf(endOfHead)
      if (end === -1) return
      const head = data.toString('latin1', 0, end)
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (data.length >= end + 4 + length) done(Number(head.slice(9, 12)))
    }
    socket.on('data', hear)
    socket.on('close', lost)
    socket.write(bytes)
  })
}
