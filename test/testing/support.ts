import { createHash } from 'node:crypto'
import { approve, startPagerDuty } from '../../src/testing'
import type { StandIn, StandInClient, StandInOptions } from '../../src/testing'

export const redirectURI = 'http://127.0.0.1:9/callback'
export const verifier = 'v'.repeat(43)
export const challenge = createHash('sha256').update(verifier).digest('base64url')

export const classicClient: StandInClient = {
  clientID: 'classic-app',
  clientSecret: 'classic-secret',
  appType: 'classic',
  scope: ['write'],
}
export const publicClient: StandInClient = { clientID: 'public-app', appType: 'classic', scope: ['read'] }

/** A stand-in per test, closed after it, with a clock that tests move by hand. */
export function standIns(): {
  start: (options?: StandInOptions) => Promise<StandIn>
  pass: (seconds: number) => void
} {
  const running: StandIn[] = []
  let offset = 0
  afterEach(async () => {
    offset = 0
    await Promise.all(running.splice(0).map((standIn) => standIn.close()))
  })
  return {
    async start(options = {}) {
      const standIn = await startPagerDuty({ now: () => Date.now() + offset, ...options })
      running.push(standIn)
      return standIn
    },
    pass(seconds) {
      offset += seconds * 1000
    },
  }
}

export type Form = Record<string, string | undefined>

/** The authorization request of a well-behaved client; `undefined` takes a parameter away. */
export function authorizeURL(standIn: StandIn, change: Form = {}): string {
  const parameters = {
    client_id: standIn.options().clientID,
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'incidents.read users.read',
    state: 'the-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...change,
  }
  return `${standIn.url}/oauth/authorize?${search(parameters)}`
}

export async function authorize(
  standIn: StandIn,
  change: Form = {},
  user = 'PACME01',
): Promise<URLSearchParams> {
  return new URL(await approve(authorizeURL(standIn, change), { user })).searchParams
}

export interface TokenAnswer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

/** A token request with the client's credentials; `undefined` takes a parameter away. */
export async function requestToken(standIn: StandIn, form: Form, clientID?: string): Promise<TokenAnswer> {
  const client = standIn.options(clientID)
  const body = search({ client_id: client.clientID, client_secret: client.clientSecret, ...form })
  const answer = await fetch(`${standIn.url}/oauth/token`, { method: 'POST', body })
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as Record<string, unknown>,
  }
}

export function codeForm(code: string | null, change: Form = {}): Form {
  return {
    grant_type: 'authorization_code',
    code: code ?? '',
    redirect_uri: redirectURI,
    code_verifier: verifier,
    ...change,
  }
}

export interface Tokens {
  accessToken: string
  refreshToken: string
  idToken: string
  scope: string
}

export async function logIn(standIn: StandIn, change: Form = {}, user = 'PACME01'): Promise<Tokens> {
  const code = (await authorize(standIn, change, user)).get('code')
  const { body } = await requestToken(standIn, codeForm(code), change['client_id'])
  return tokensOf(body)
}

export async function refresh(standIn: StandIn, token: string, clientID?: string): Promise<TokenAnswer> {
  return requestToken(standIn, { grant_type: 'refresh_token', refresh_token: token }, clientID)
}

export async function appToken(standIn: StandIn, scope: string): Promise<TokenAnswer> {
  return requestToken(standIn, { grant_type: 'client_credentials', scope })
}

export function tokensOf(body: Record<string, unknown>): Tokens {
  return {
    accessToken: String(body['access_token']),
    refreshToken: String(body['refresh_token']),
    idToken: String(body['id_token']),
    scope: String(body['scope']),
  }
}

export async function api(
  standIn: StandIn,
  token: string,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(standIn.url + path, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  })
}

export async function statusOf(standIn: StandIn, token: string, path = '/incidents'): Promise<number> {
  return (await api(standIn, token, path)).status
}

function search(parameters: Form): URLSearchParams {
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return new URLSearchParams(given)
}
