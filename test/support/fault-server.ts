import { EventEmitter, once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { inspect } from 'node:util'

/** A request as it came over the wire. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly form: URLSearchParams
}

/** How the server responds. */
export type Behaviour = (res: ServerResponse, request: Received) => void | Promise<void>

/** A server on 127.0.0.1 that behaves as badly as a test wants. */
export class FaultServer {
  /** What came in so far. */
  readonly requests: Received[] = []
  /** How the server responds to the next requests. */
  behave: Behaviour = json({})
  readonly #events = new EventEmitter()
  readonly #server = createServer((req, res) => void this.#answer(req, res))
  #port = 0

  static async start(): Promise<FaultServer> {
    const server = new FaultServer()
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    server.#port = (server.#server.address() as AddressInfo).port
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get last(): Received {
    const last = this.requests.at(-1)
    if (last === undefined) throw new Error('No request came in')
    return last
  }

  /** Resolves when the next request has come in whole. */
  async nextRequest(): Promise<void> {
    await once(this.#events, 'request')
  }

  /** Resolves when the connection of a request that is under way ends. Ask before it does. */
  async nextHangUp(): Promise<void> {
    await once(this.#events, 'hang-up')
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.on('close', () => {
      if (!res.writableFinished) this.#events.emit('hang-up')
    })
    res.on('error', () => {})
    const body = (await buffer(req)).toString()
    const { method = '', url = '', headers } = req
    const received = { method, url, headers, body, form: new URLSearchParams(body) }
    this.requests.push(received)
    this.#events.emit('request')
    await this.behave(res, received)
  }
}

type HeaderFields = Readonly<Record<string, string>>

const jsonType: HeaderFields = { 'Content-Type': 'application/json' }

/** A JSON response. A string is sent unchanged, anything else is serialized. */
export function json(body: unknown, status = 200, headers: HeaderFields = {}): Behaviour {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return bytes(Buffer.from(text), status, headers)
}

/** Any bytes, called JSON unless `headers` says otherwise. */
export function bytes(body: Uint8Array, status = 200, headers: HeaderFields = {}): Behaviour {
  return (res) => void res.writeHead(status, { ...jsonType, ...headers }).end(body)
}

/** A page of some proxy in between. */
export function html(status = 200, text = '<!doctype html><title>Bad Gateway</title>'): Behaviour {
  return bytes(Buffer.from(text), status, { 'Content-Type': 'text/html; charset=utf-8' })
}

export function redirect(status: number, location: string): Behaviour {
  return (res) => void res.writeHead(status, { Location: location }).end()
}

/** Silence, before a single byte. */
export const stallBeforeHeaders: Behaviour = () => {}

/** Silence in the middle of the body. */
export const stallMidBody: Behaviour = (res) => {
  res.writeHead(200, jsonType)
  res.write('{"access_token":"half')
}

/** A byte now and then: no gap is long, only the whole is. */
export const trickle: Behaviour = async (res) => {
  res.writeHead(200, jsonType)
  const timer = setInterval(() => res.write(' '), 20)
  await once(res, 'close')
  clearInterval(timer)
}

export const resetBeforeHeaders: Behaviour = (res) => void res.socket?.resetAndDestroy()

/** A reset that the client sees after it has read half of the body. */
export const resetMidBody: Behaviour = (res) => {
  res.writeHead(200, jsonType)
  res.write('{"access_token":"half', () => res.socket?.resetAndDestroy())
}

/** An orderly end of the connection where another chunk has to follow. */
export const truncatedChunked: Behaviour = (res) => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'
  res.socket?.end(`${head}12\r\n{"access_token":"h`)
}

/** An orderly end of the connection before as many bytes as were announced. */
export const shortOfLength: Behaviour = (res) => {
  res.socket?.end('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"access')
}

export const noHTTP: Behaviour = (res) => void res.socket?.end('SSH-2.0-OpenSSH_9.6\r\n')

/** The body byte by byte, each written when the one before has left. */
export function byteByByte(body: unknown): Behaviour {
  return async (res) => {
    res.writeHead(200, jsonType)
    for (const byte of Buffer.from(JSON.stringify(body))) {
      await new Promise((resolve) => res.write(Uint8Array.of(byte), resolve))
    }
    res.end()
  }
}

/** A body of any size out of one buffer, at the reader's pace, until it is sent or the reader stops. */
export function flood(total: number): { behave: Behaviour; sent: () => number } {
  let sent = 0
  const chunk = Buffer.alloc(64 * 1024, ' ')
  const behave: Behaviour = async (res) => {
    const hungUp = once(res, 'close')
    res.writeHead(200, jsonType)
    while (sent < total && !res.destroyed) {
      sent += chunk.byteLength
      if (!res.write(chunk)) await Promise.race([once(res, 'drain'), hungUp])
    }
    res.end()
  }
  return { behave, sent: () => sent }
}

/** All text that a value gives away to a log, a debugger or a serializer, its causes included. */
export function visibleText(value: unknown): string {
  const texts: string[] = []
  for (let depth = 0, it = value; it !== undefined && it !== null && depth < 10; depth++) {
    const { stack, cause } = it as { stack?: unknown; cause?: unknown }
    texts.push(String(it), String(stack), JSON.stringify(it))
    texts.push(inspect(it, { depth: 10, showHidden: true, getters: true }))
    it = cause
  }
  return texts.join('\n')
}
