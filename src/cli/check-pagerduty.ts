import { boundedFetch, type Answer, ExchangeError } from '../http/bounded-fetch'
import { createLocalJWKSet } from '../oauth/jose'
import type { Configuration } from './configuration'
import { type Finding, error, ok, warning } from './finding'

/** Limits of a response: milliseconds until it is complete, and its size in bytes. */
export const bounds = { timeout: 10_000, maxBytes: 1024 * 1024 }
/** Seconds by which an id_token may be off. */
const tolerated = 60

/** PagerDuty's identity service: there, with keys, and of the same time. */
export async function checkPagerDuty({ client }: Configuration): Promise<Finding[]> {
  const sentAt = Date.now()
  let answer: Answer
  try {
    answer = await boundedFetch(
      client.fetch,
      client.jwksURL,
      { headers: { Accept: 'application/json' } },
      bounds,
    )
  } catch (failure) {
    return [unreachable('identity', new URL(client.jwksURL).host, failure)]
  }
  const middle = (sentAt + Date.now()) / 2
  return [...clock(answer, middle), ...keys(answer, new URL(client.jwksURL).host)]
}

/** Why a server sent no response. */
export function unreachable(check: string, host: string, failure: unknown): Finding {
  const { fault, systemCode } = failure instanceof ExchangeError ? failure : new ExchangeError('network')
  const why = {
    timeout: 'did not respond within 10 seconds',
    network: `cannot be reached${systemCode === undefined ? '' : ` (${systemCode})`}`,
    too_large: 'responded with too much data',
    redirect: 'responded with a redirect',
    encoding: 'responded with something other than UTF-8',
  }[fault]
  const remedy = /CERT|SELF_SIGNED|SSL|TLS/.test(systemCode ?? '')
    ? 'Let NODE_EXTRA_CA_CERTS name the authority that signed its certificate, in the shell: Node reads it before any --env-file.'
    : 'Check the address, the firewall and the name server; behind a proxy, give the app a fetch that goes through it.'
  return error(check, `${host} ${why}`, remedy)
}

/** The header has whole seconds, so on average half of one has passed since. */
function clock({ headers }: Answer, now: number): Finding[] {
  const date = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(date)) return []
  const ahead = (now - date - 500) / 1000
  const message = `The clock here is ${Math.abs(ahead).toFixed(0)} s ${ahead > 0 ? 'ahead of' : 'behind'} PagerDuty’s`
  const remedy = 'Keep the clock by NTP.'
  if (Math.abs(ahead) > tolerated)
    return [error('clock', `${message}: logins fail beyond ${tolerated} s`, remedy)]
  if (Math.abs(ahead) > tolerated / 2)
    return [warning('clock', `${message}, and logins fail beyond ${tolerated} s`, remedy)]
  return [ok('clock', 'The clock here and PagerDuty’s agree')]
}

function keys({ status, text }: Answer, host: string): Finding[] {
  const remedy = 'Check PAGERDUTY_IDENTITY_URL; PagerDuty’s own is the default.'
  if (status !== 200)
    return [error('keys', `${host} responded with ${status} to the request for its JWKS`, remedy)]
  try {
    const keySet = JSON.parse(text) as Parameters<typeof createLocalJWKSet>[0]
    createLocalJWKSet(keySet)
    const usable = keySet.keys.filter(
      ({ kty, alg = 'RS256', use = 'sig' }) => kty === 'RSA' && alg === 'RS256' && use === 'sig',
    )
    if (usable.length > 0)
      return [ok('keys', `${host} has ${usable.length} of the keys that id_tokens are signed with`)]
    return [error('keys', `${host} has no RS256 key, and id_tokens are signed by nothing else`, remedy)]
  } catch {
    return [error('keys', `${host} responded with something other than a JWKS`, remedy)]
  }
}
