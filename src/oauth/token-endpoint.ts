import { type Answer, ExchangeError, boundedFetch } from '../http/bounded-fetch'
import type { Client } from './client'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import { parseRetryAfter } from '../http/retry-after'
import { inSpan } from '../observability/opentelemetry'
import { hints, tokenErrors } from './token-errors'
import { type TokenResponse, parseTokenResponse } from './token-set'

const maxBytes = 64 * 1024

/**
 * Sends one grant to the token endpoint (RFC 6749 sections 4.1.3, 4.4.2 and 6) and checks the response. All grants of
 * this package go through here.
 *
 * @param grant `grant_type` and its parameters, in wire format
 * @param timeout milliseconds
 * @param beforeSend is awaited right before each request, the second one with the next secret among them; may throw
 * @throws {TokenEndpointError} always within the deadline, never holding a token or the response body
 */
export async function requestToken(
  client: Client,
  grant: Readonly<Record<string, string>>,
  timeout: number,
  extraHeaders: Readonly<Record<string, string>> = {},
  beforeSend: () => Promise<void> = async () => {},
): Promise<TokenResponse> {
  const { hostname } = new URL(client.tokenURL)
  const grantType = grant['grant_type'] ?? ''
  const attributes = {
    'passport_pagerduty.instance': client.name,
    'passport_pagerduty.grant_type': grantType,
    'http.request.method': 'POST',
    'server.address': hostname,
  }
  const name = `passport-pagerduty ${spanNames.get(grantType) ?? 'token'}`
  return inSpan(name, attributes, () => exchange(client, grant, timeout, extraHeaders, beforeSend))
}

const spanNames: ReadonlyMap<string, string> = new Map([
  ['authorization_code', 'login'],
  ['refresh_token', 'refresh'],
  ['client_credentials', 'app token'],
])

async function exchange(
  client: Client,
  grant: Readonly<Record<string, string>>,
  timeout: number,
  extraHeaders: Readonly<Record<string, string>>,
  beforeSend: () => Promise<void>,
): Promise<TokenResponse> {
  let sentAt = 0
  const sending = async () => {
    await beforeSend()
    sentAt = performance.now()
  }
  const answer = await post(client, client.tokenURL, grant, timeout, extraHeaders, sending)
  const age = performance.now() - sentAt
  const body = parseObject(answer)
  if (answer.status !== 200 || typeof body?.['error'] === 'string') throw refusal(answer, body)
  if (body === undefined) {
    throw new TokenEndpointError(
      'PagerDuty’s token endpoint responded with something other than a JSON object',
      {
        code: 'ERR_PAGERDUTY_TOKEN_RESPONSE',
        status: 503,
        httpStatus: answer.status,
        isTransient: true,
      },
    )
  }
  return { ...parseTokenResponse(body), age }
}

/**
 * Asks PagerDuty to revoke a token (RFC 7009), as a best effort: PagerDuty's own apps use this endpoint, its documentation
 * does not name it.
 *
 * @throws {TokenEndpointError} for any status but 200
 */
export async function revokeToken(client: Client, token: string, timeout: number): Promise<void> {
  const answer = await post(client, client.revocationURL, { token }, timeout)
  if (answer.status !== 200) throw refusal(answer, parseObject(answer))
}

async function post(
  client: Client,
  url: string,
  parameters: Readonly<Record<string, string>>,
  timeout: number,
  extraHeaders: Readonly<Record<string, string>> = {},
  beforeSend: () => Promise<void> = async () => {},
): Promise<Answer> {
  const giveUpAt = performance.now() + timeout
  const [first, ...others] = await client.secrets()
  const send = async (secret: string | undefined) => {
    await beforeSend()
    const left = Math.max(giveUpAt - performance.now(), 1)
    return postWith(client, secret, url, parameters, left, extraHeaders)
  }
  let answer = await send(first)
  for (const secret of others) {
    if (!isInvalidClient(answer)) break
    answer = await send(secret)
  }
  return answer
}

/** PagerDuty does not know the secret, and the code or refresh token is not used up (RFC 6749 section 5.2). */
function isInvalidClient(answer: Answer): boolean {
  const isClientError = answer.status === 400 || answer.status === 401
  return isClientError && parseObject(answer)?.['error'] === 'invalid_client'
}

async function postWith(
  client: Client,
  secret: string | undefined,
  url: string,
  parameters: Readonly<Record<string, string>>,
  timeout: number,
  extraHeaders: Readonly<Record<string, string>>,
): Promise<Answer> {
  const body = client.authenticate(new URLSearchParams(parameters), secret).toString()
  const headers = new Headers(extraHeaders)
  headers.set('Content-Type', 'application/x-www-form-urlencoded')
  headers.set('Accept', 'application/json')
  try {
    return await boundedFetch(client.fetch, url, { method: 'POST', headers, body }, { timeout, maxBytes })
  } catch (error) {
    throw unanswered(error)
  }
}

function parseObject({ headers, text }: Answer): Record<string, unknown> | undefined {
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(headers.get('content-type') ?? '')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const faultCodes = {
  timeout: 'ERR_PAGERDUTY_TOKEN_TIMEOUT',
  network: 'ERR_PAGERDUTY_TOKEN_UNREACHABLE',
  too_large: 'ERR_PAGERDUTY_TOKEN_RESPONSE',
  redirect: 'ERR_PAGERDUTY_TOKEN_RESPONSE',
  encoding: 'ERR_PAGERDUTY_TOKEN_RESPONSE',
} as const

function unanswered(error: unknown): TokenEndpointError {
  const fault = error instanceof ExchangeError ? error.fault : 'network'
  const systemCode = error instanceof ExchangeError ? error.systemCode : undefined
  const what = {
    timeout: 'did not respond in time',
    network: `could not be reached or broke off${systemCode === undefined ? '' : ` (${systemCode})`}`,
    too_large: 'responded with too much data',
    redirect: 'responded with a redirect, which is not followed',
    encoding: 'responded with something other than UTF-8',
  }[fault]
  return new TokenEndpointError(`PagerDuty’s token endpoint ${what}`, {
    code: faultCodes[fault],
    status: 503,
    isTransient: true,
  })
}

/**
 * An error response (RFC 6749 section 5.2). Of its body only a known code is kept: a description may repeat a token.
 */
function refusal({ status, headers }: Answer, body: Record<string, unknown> | undefined): TokenEndpointError {
  const sent = body?.['error']
  const error = typeof sent === 'string' && tokenErrors.has(sent) ? sent : undefined
  // PagerDuty says "invalid_request" and describes it as an invalid scope.
  const isScope = error === 'invalid_request' && /invalid scope/i.test(String(body?.['error_description']))
  const isTransient = status === 408 || status === 429 || status >= 500 || error === undefined
  const isUserError = error === 'invalid_grant' && !isTransient
  return new TokenEndpointError(
    `PagerDuty’s token endpoint responded with an error: ${isScope ? 'invalid_scope' : (error ?? `HTTP status ${status}`)}`,
    {
      code: isScope ? 'invalid_scope' : (error ?? 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE'),
      status: isUserError ? 400 : 503,
      error,
      httpStatus: status,
      isTransient,
      retryAfter: parseRetryAfter(headers),
      hint: hints.get(isScope ? 'invalid_scope' : (error ?? '')),
    },
  )
}

export { tokenErrors }
