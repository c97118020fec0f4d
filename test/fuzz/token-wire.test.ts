import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { requestToken } from '../../src/oauth/token-endpoint'
import type { TokenResponse } from '../../src/oauth/token-set'
import { clientOf } from '../support/client'
import { runs } from './runs'

const cap = 64 * 1024
/** For what has to come in whole, or to break, by itself. */
const ample = 30_000
/** For what never ends. */
const short = 40

/** How the server writes a response. */
interface Script {
  readonly parts: readonly Buffer[]
  readonly end: 'end' | 'reset' | 'stall'
}

let script: Script
/** How many requests have come in. */
let requests = 0
const sockets = new Set<Socket>()
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket)
  socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  let request = ''
  socket.on('data', (bytes) => {
    request += bytes.toString('latin1')
    // The request has its body when the last of its parameters is there.
    if (!/client_secret=the-secret$/.test(request)) return
    requests++
    void answer(socket, script)
  })
})

async function answer(socket: Socket, { parts, end }: Script): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return
    await new Promise((resolve) => socket.write(part, resolve))
    // The other side gets to read before there is more.
    await new Promise(setImmediate)
  }
  if (end === 'end') socket.end()
  if (end === 'reset') socket.resetAndDestroy()
}

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  for (const socket of sockets) socket.destroy()
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

interface Outcome {
  readonly response: TokenResponse | undefined
  readonly error: TokenEndpointError | undefined
  /** Bytes of body, after inflation, that were taken, and the most of them at a time. */
  readonly taken: number
  readonly largest: number
}

/** Asks the server for a token, and counts what is taken of the body. */
async function ask(timeout: number): Promise<Outcome> {
  let taken = 0
  let largest = 0
  const counted: typeof fetch = async (input, init) => {
    const { body, status, headers } = await fetch(input, init)
    const reader = body?.getReader()
    const source = {
      async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done || value === undefined) return controller.close()
        taken += value.byteLength
        largest = Math.max(largest, value.byteLength)
        controller.enqueue(value)
      },
      cancel: (reason: unknown) => reader?.cancel(reason),
    }
    return new Response(new ReadableStream(source, { highWaterMark: 0 }), { status, headers })
  }
  const client = clientOf({
    tokenURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth/token`,
    fetch: counted,
  })
  const settled: unknown[] = []
  const sent = requestToken(client, { grant_type: 'refresh_token', refresh_token: 'CANARY' }, timeout)
  await sent.then(
    (response) => settled.push(response),
    (error: unknown) => settled.push(error),
  )
  const [outcome] = settled
  const error = outcome instanceof TokenEndpointError ? outcome : undefined
  if (outcome instanceof Error && error === undefined) throw outcome
  return {
    response: error === undefined ? (outcome as TokenResponse) : undefined,
    error,
    taken,
    largest,
  }
}

const encoders = {
  identity: (it: Buffer) => it,
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
} as const
const encoding = fc.constantFrom<keyof typeof encoders>('identity', 'identity', 'gzip', 'deflate', 'br')
const framing = fc.constantFrom('length', 'chunked', 'close')
/** Characters of one to four bytes. */
const scope = fc
  .array(fc.constantFrom('a', 'é', '€', '𝄞', ' ', 'openid', '\u0301', '漢'), { maxLength: 60 })
  .map((it) => it.join(''))
/** Where the bytes are cut, as parts of a thousand of them. */
const cuts = fc.array(fc.nat(999), { maxLength: 12 })

const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n'

/** A whole response, as bytes. */
function written(text: string, how: keyof typeof encoders, frame: string, sizes: readonly number[]): Buffer {
  const body = encoders[how](Buffer.from(text))
  const named = how === 'identity' ? '' : `Content-Encoding: ${how}\r\n`
  if (frame === 'length') return join(head, named, `Content-Length: ${body.byteLength}\r\n\r\n`, body)
  if (frame === 'close') return join(head, named, '\r\n', body)
  const chunks = split(body, sizes).flatMap((chunk) => [chunk.byteLength.toString(16), '\r\n', chunk, '\r\n'])
  return join(head, named, 'Transfer-Encoding: chunked\r\n\r\n', ...chunks, '0\r\n\r\n')
}

function join(...parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}

/** The bytes in pieces, none of them empty. */
function split(bytes: Buffer, at: readonly number[]): readonly Buffer[] {
  const places = [...new Set(at.map((part) => Math.floor((part * bytes.byteLength) / 1000)))].toSorted(
    (a, b) => a - b,
  )
  return [0, ...places]
    .map((place, position) => bytes.subarray(place, places[position] ?? bytes.byteLength))
    .filter(({ byteLength }) => byteLength > 0)
}

function tokenJSON(granted: string): string {
  return JSON.stringify({ access_token: 'pdus+_0', token_type: 'bearer', expires_in: 60, scope: granted })
}

describe('a response in any pieces', () => {
  it('is read as it was written, every character of several bytes whole', async () => {
    await fc.assert(
      fc.asyncProperty(scope, encoding, framing, cuts, cuts, async (granted, how, frame, chunks, pieces) => {
        script = { parts: split(written(tokenJSON(granted), how, frame, chunks), pieces), end: 'end' }
        const { response, error } = await ask(ample)
        expect([error?.message, response?.scope]).toEqual([undefined, granted])
      }),
      runs(120),
    )
  })

  it('that is too long is rejected, and no more of it is read than the limit and the piece that exceeded it', async () => {
    const length = fc.integer({ min: cap + 1, max: 4 * cap })
    await fc.assert(
      fc.asyncProperty(length, encoding, framing, cuts, async (size, how, frame, chunks) => {
        const text = tokenJSON('x'.repeat(size))
        script = { parts: split(written(text, how, frame, chunks), [200, 400, 600, 800]), end: 'end' }
        const { error, taken, largest } = await ask(ample)
        expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_RESPONSE', isTransient: true })
        expect(taken).toBeLessThanOrEqual(cap + largest)
      }),
      runs(30),
    )
  })
})

describe('a response that ends too early', () => {
  const place = fc.nat(999)

  it('is an error, or what was written if all of it arrived, and is requested at most once', async () => {
    const end = fc.constantFrom<Script['end']>('end', 'reset')
    await fc.assert(
      fc.asyncProperty(scope, encoding, framing, place, end, async (granted, how, frame, at, how_) => {
        const bytes = written(tokenJSON(granted), how, frame, [300, 600])
        const kept = bytes.subarray(0, Math.floor((at * bytes.byteLength) / 1000))
        script = { parts: split(kept, [500]), end: how_ }
        requests = 0
        const { response, error } = await ask(ample)
        expect(requests).toBeLessThan(2) // None where undici takes a connection that is just being closed.
        expect(error === undefined ? response?.scope : error.isTransient).toBe(
          error === undefined ? granted : true,
        )
      }),
      runs(80),
    )
  })

  it('and stays so is given up in time, however little is missing', async () => {
    await fc.assert(
      fc.asyncProperty(scope, encoding, framing, place, async (granted, how, frame, at) => {
        const bytes = written(tokenJSON(granted), how, frame, [300, 600])
        const kept = bytes.subarray(0, Math.floor((at * (bytes.byteLength - 1)) / 1000))
        script = { parts: [kept], end: 'stall' }
        const { error } = await ask(short)
        expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_TIMEOUT', status: 503 })
        // The connection is not left behind.
        await Promise.all([...sockets].map((socket) => once(socket, 'close')))
      }),
      runs(20),
    )
  })
})

describe('bytes that are not a response', () => {
  it('are a transient error, never a token', async () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      // Good but for one byte.
      fc
        .tuple(scope, encoding, framing, fc.nat(), fc.integer({ min: 1, max: 255 }))
        .map(([granted, how, frame, at, by]) => {
          const bytes = written(tokenJSON(granted), how, frame, [500])
          const from = head.length - 40
          const place = from + (at % (bytes.byteLength - from))
          bytes[place] = (bytes[place] ?? 0) ^ by
          return bytes
        }),
    )
    await fc.assert(
      fc.asyncProperty(noise, cuts, async (bytes, pieces) => {
        script = { parts: split(bytes, pieces), end: 'end' }
        // Some of it keeps Node's own fetch waiting although the connection has ended.
        const { response, error } = await ask(200)
        // A changed byte within a string of the JSON makes another valid response.
        expect(error?.isTransient ?? typeof response?.access_token === 'string').toBe(true)
      }),
      runs(80),
    )
  })
})
