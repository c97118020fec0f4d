import type { Ledger } from './ledger'
import type { Traffic } from './traffic'

/** What is lost of a refresh: the request before it takes effect, or the response. */
export type LostPart = 'request' | 'response'

/** The way to PagerDuty, and what can be seen on it. */
export class Wire {
  readonly #traffic: Traffic
  readonly #ledger: Ledger
  #toLose: LostPart[] = []

  constructor(traffic: Traffic, ledger: Ledger) {
    this.#traffic = traffic
    this.#ledger = ledger
  }

  /** Loses a part of the next refresh. */
  lose(how: LostPart): void {
    this.#toLose.push(how)
  }

  clear(): void {
    this.#toLose = []
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(input as string)
    if (url.pathname.endsWith('/jwks')) return this.#send(url, init)
    const form = new URLSearchParams(url.pathname.startsWith('/oauth/') ? String(init?.body) : '')
    const token = form.get('refresh_token') ?? form.get('token') ?? undefined
    const attempt =
      token === undefined
        ? this.#ledger.attempts.find(({ code }) => code !== undefined && code === form.get('code'))
        : this.#ledger.ofRefreshToken(token)
    const isRefresh = form.has('refresh_token')
    const fault = isRefresh && !this.#traffic.isCalm ? this.#toLose.shift() : undefined
    const what = [url.pathname, form.get('grant_type'), attempt?.name, fault && `[${fault} lost]`]
    await this.#traffic.hold(what.filter(Boolean).join(' '))
    if (isRefresh && token !== undefined) this.#ledger.presented(token, fault !== undefined)
    if (form.has('token') && token !== undefined) this.#ledger.revoked(token)
    if (fault === 'request') throw reset()
    const response = await this.#send(url, init)
    const text = await response.clone().text()
    if (response.ok && form.has('grant_type')) {
      const { refresh_token: next, id_token: idToken } = JSON.parse(text) as Record<string, string>
      if (attempt !== undefined && idToken !== undefined) Object.assign(attempt, delegationOf(idToken))
      if (next !== undefined) this.#ledger.issued(next, attempt)
    }
    if (fault !== undefined) throw reset()
    return response
  }

  #send(url: URL, init: RequestInit | undefined): Promise<Response> {
    return this.#traffic.real(async () => {
      const { signal: _, ...rest } = init ?? {}
      const response = await fetch(url, rest)
      const { status, headers } = response
      return new Response([204, 304].includes(status) ? null : await response.text(), { status, headers })
    })
  }
}

function reset(): Error {
  return new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) })
}

function delegationOf(idToken: string): { delegationID?: string } {
  const [, claims = ''] = idToken.split('.')
  const { delegation_id: delegationID } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
    delegation_id?: string
  }
  return delegationID === undefined ? {} : { delegationID }
}
