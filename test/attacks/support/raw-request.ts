import { connect } from 'node:net'

/** What came back on a connection. */
export interface RawAnswer {
  /** Statuses of all responses, in order. */
  statuses: number[]
  text: string
}

/** Writes bytes on a connection of their own, and returns what comes back until the other side ends it. */
export async function rawRequest(url: string, bytes: string | Uint8Array): Promise<RawAnswer> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => void (text += chunk.toString('latin1')))
  socket.on('error', () => {}) // The close that follows says enough.
  // `once` of node:events would fail with that error.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(bytes)
  await closed
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  return { statuses, text }
}

/** The head of a request, whatever its method, target and headers are like. */
export function requestHead(method: string, target: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', ...headers })
  return `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** The cookies of a browser as the header of a raw request. */
export function cookiesOf({ cookies }: { cookies: ReadonlyMap<string, string> }): Record<string, string> {
  if (cookies.size === 0) return {}
  return { Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
}
