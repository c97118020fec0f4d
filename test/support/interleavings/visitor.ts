import { Agent, request } from 'node:http'
import { nextPlace } from './ledger'
import type { Traffic } from './traffic'

export interface Reply {
  /** When the app had sent it, as a place in the order of all that happens. */
  readonly answeredAt: number
  readonly status: number
  readonly location: string | undefined
  readonly body: unknown
}

const agent = new Agent({ keepAlive: true })

/** The header that names the operation a request belongs to. */
export const operationHeader = 'x-operation'
export const sessionCookie = 'pagerduty'

/** A browser whose tabs share their cookies. */
export class Visitor {
  readonly traffic: Traffic
  cookies = new Map<string, string>()

  constructor(traffic: Traffic) {
    this.traffic = traffic
  }

  get session(): string | undefined {
    return this.cookies.get(sessionCookie)
  }

  /** A request with the cookies of this moment. The response's cookies are stored when the response is released. */
  async send(port: number, path: string, method = 'GET'): Promise<Reply> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = {
      accept: 'text/html',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      'sec-fetch-site': 'same-origin',
      ...(cookie ? { cookie } : {}),
      [operationHeader]: this.traffic.running.getStore()?.label ?? '',
    }
    this.traffic.depart()
    const { reply, setCookies } = await exchange(port, path, method, headers).finally(() =>
      this.traffic.arrive(),
    )
    const answeredAt = nextPlace()
    await this.traffic.hold(`response ${reply.status} to ${method} ${path.split('?')[0]}`)
    for (const line of setCookies) this.#keep(line)
    return { ...reply, answeredAt }
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';')
    const [name = '', ...value] = pair.trim().split('=')
    if (attributes.some((attribute) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(attribute)))
      this.cookies.delete(name)
    else this.cookies.set(name, value.join('='))
  }
}

function exchange(
  port: number,
  path: string,
  method: string,
  headers: object,
): Promise<{ reply: Omit<Reply, 'answeredAt'>; setCookies: readonly string[] }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, agent, headers: { ...headers } })
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const { statusCode: status = 0, headers: received } = response
        const isJSON = received['content-type']?.includes('json') === true
        resolve({
          reply: { status, location: received.location, body: isJSON ? JSON.parse(text) : text },
          setCookies: received['set-cookie'] ?? [],
        })
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}

export function closeConnections(): void {
  agent.destroy()
}
