import { request } from 'node:http'

/** As much of a browser as a login over HTTP needs: cookies by host, and redirects one at a time. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly trail: string[] = []
  /** What a top-level navigation sends. */
  static readonly navigation = {
    Accept: 'text/html',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
  }

  /** One request with this browser's cookies. Redirects are not followed. */
  async fetch(url: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie ? { Cookie: cookie } : {}), ...init.headers }
    const answer = await send(url, { ...init, headers })
    for (const line of answer.headers.getSetCookie()) this.#keep(line)
    return answer
  }

  /** A navigation. */
  visit(url: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(url, { headers: { ...Browser.navigation, ...headers } })
  }

  /** A navigation to its end. Where it was redirected to, one after the other, is in `trail`. */
  async follow(url: string): Promise<Response> {
    this.trail.length = 0
    let answer = await this.visit(url)
    for (let at = url; answer.headers.has('location') && this.trail.length < 10;) {
      at = new URL(answer.headers.get('location') as string, at).href
      this.trail.push(at)
      answer = await this.visit(at)
    }
    return answer
  }

  /** Another browser with the same cookies: what a second tab or a thief sends. */
  copy(): Browser {
    const other = new Browser()
    for (const [name, value] of this.cookies) other.cookies.set(name, value)
    return other
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';')
    const [name = '', ...value] = pair.trim().split('=')
    const isOver = attributes.some((attribute) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(attribute))
    if (isOver) this.cookies.delete(name)
    else this.cookies.set(name, value.join('='))
  }
}

/** Node's fetch writes Sec-Fetch-Mode itself, so a navigation has to be sent by hand. */
function send(
  url: string,
  { method = 'GET', headers, body }: { method?: string; headers: Record<string, string>; body?: string },
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method,
      headers: { ...headers, ...(body ? { 'Content-Length': body.length } : {}) },
    })
    sent.on('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const received = new Headers()
        for (let i = 0; i < answer.rawHeaders.length; i += 2) {
          received.append(answer.rawHeaders[i] as string, answer.rawHeaders[i + 1] as string)
        }
        const status = answer.statusCode as number
        const isEmpty = [204, 205, 304].includes(status)
        resolve(new Response(isEmpty ? null : Buffer.concat(chunks), { status, headers: received }))
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
