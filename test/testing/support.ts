import { createHash } from 'node:crypto'
import { approve, startPagerDuty } from '../../src/testing'
import type { Simulator, SimulatorClient, SimulatorOptions } from '../../src/testing'

export const redirectURI = 'http://127.0.0.1:9/callback'
export const verifier = 'v'.repeat(43)
export const challenge = createHash('sha256').update(verifier).digest('base64url')

export const classicClient: SimulatorClient = {
  clientID: 'classic-app',
  clientSecret: 'classic-secret',
  appType: 'classic',
  scope: ['write'],
}
export const publicClient: SimulatorClient = { clientID: 'public-app', appType: 'classic', scope: ['read'] }

/** A simulator per test, closed after it, with a clock that tests move by hand. */
export function simulators(): {
  start: (options?: SimulatorOptions) => Promise<Simulator>
  pass: (seconds: number) => void
} {
  const running: Simulator[] = []
  let offset = 0
  afterEach(async () => {
    offset = 0
    await Promise.all(running.splice(0).map((simulator) => simulator.close()))
  })
  return {
    async start(options = {}) {
      const simulator = await startPagerDuty({ now: () => Date.now() + offset, ...options })
      running.push(simulator)
      return simulator
    },
    pass(seconds) {
      offset += seconds * 1000
    },
  }
}

export type Form = Record<string, string | undefined>

/** The authorization request of a well-behaved client; `undefined` takes a parameter away. */
export function authorizeURL(simulator: Simulator, change: Form = {}): string {
  const parameters = {
    client_id: simulator.options().clientID,
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'incidents.read users.read',
    state: 'the-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...change,
  }
  return `${simulator.url}/oauth/authorize?${search(parameters)}`
}

export async function authorize(
  simulator: Simulator,
  change: Form = {},
  user = 'PACME01',
): Promise<URLSearchParams> {
  return new URL(await approve(authorizeURL(simulator, change), { user })).searchParams
}

export interface TokenAnswer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

/** A token request with the client's credentials; `undefined` takes a parameter away. */
export async function requestToken(
  simulator: Simulator,
  form: Form,
  clientID?: string,
): Promise<TokenAnswer> {
  const client = simulator.options(clientID)
  const body = search({ client_id: client.clientID, client_secret: client.clientSecret, ...form })
  const answer = await fetch(`${simulator.url}/oauth/token`, { method: 'POST', body })
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

export async function logIn(simulator: Simulator, change: Form = {}, user = 'PACME01'): Promise<Tokens> {
  const code = (await authorize(simulator, change, user)).get('code')
  const { body } = await requestToken(simulator, codeForm(code), change['client_id'])
  return tokensOf(body)
}

export async function refresh(simulator: Simulator, token: string, clientID?: string): Promise<TokenAnswer> {
  return requestToken(simulator, { grant_type: 'refresh_token', refresh_token: token }, clientID)
}

export async function appToken(simulator: Simulator, scope: string): Promise<TokenAnswer> {
  return requestToken(simulator, { grant_type: 'client_credentials', scope })
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
  simulator: Simulator,
  token: string,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(simulator.url + path, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  })
}

export async function statusOf(simulator: Simulator, token: string, path = '/incidents'): Promise<number> {
  return (await api(simulator, token, path)).status
}

function search(parameters: Form): URLSearchParams {
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return new URLSearchParams(given)
}
