import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A proxy in front of PagerDuty that breaks off in the middle of responses. */
export interface BrokenFront {
  url: string
  close(): Promise<void>
}

/**
 * Starts one. The first response for each refresh token breaks off.
 *
 * @param bytesOf how many bytes of a response of that length get through
 */
export async function startBrokenFront(
  simulatorURL: string,
  bytesOf: (length: number) => number,
): Promise<BrokenFront> {
  const presented = new Set<string>()
  const forward = async (req: IncomingMessage, res: ServerResponse) => {
    const body = await text(req)
    const contentType = req.headers['content-type'] ?? ''
    const answer = await fetch(simulatorURL + req.url, {
      method: req.method ?? 'GET',
      redirect: 'manual',
      ...(body && { body, headers: { 'content-type': contentType } }),
    })
    const content = await answer.text()
    const head = [...answer.headers].filter(
      ([name]) => !/^(connection|keep-alive|transfer|content-length)/.test(name),
    )
    const raw = Buffer.from(
      [
        `HTTP/1.1 ${answer.status} ${answer.statusText}`,
        ...head.map(([name, value]) => `${name}: ${value}`),
        `content-length: ${Buffer.byteLength(content)}`,
        'connection: close',
        '',
        content,
      ].join('\r\n'),
    )
    const token = new URLSearchParams(body).get('refresh_token')
    const isFirst = token !== null && !presented.has(token)
    if (token !== null) presented.add(token)
    res.socket?.end(isFirst ? raw.subarray(0, bytesOf(raw.length)) : raw)
  }
  const server = createServer((req, res) => void forward(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
