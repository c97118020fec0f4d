import { type JsonWebKey, createHash, createPublicKey, verify } from 'node:crypto'

/** What an id_token can break; the letters are those of OpenID Connect Core 3.1.3.7, RFC 7515 and RFC 8725 put in words. */
export type Rule =
  | 'shape'
  | 'algorithm'
  | 'critical'
  | 'key'
  | 'signature'
  | 'type'
  | 'issuer'
  | 'audience'
  | 'party'
  | 'time'
  | 'hash'
  | 'nonce'
  | 'purpose'
  | 'identity'

/** What a token is held against. */
export interface Circumstances {
  clientID: string
  issuers: readonly string[]
  /** Audiences that may stand beside the client. */
  apis: readonly string[]
  keys: readonly Record<string, unknown>[]
  /** Seconds since the epoch. */
  now: number
  nonce: string
  accessToken: string
  requireAtHash: boolean
}

type Members = Record<string, unknown>

/**
 * The rules that a token breaks, read from the standards and written without a look at the library: a second opinion on
 * what its tests take for good and bad.
 */
export function brokenRules(token: string, at: Circumstances): Rule[] {
  const segments = token.split('.')
  const [head, body, signature] = segments
  if (head === undefined || body === undefined || signature === undefined) return ['shape']
  if (segments.length !== 3 || token.length > 16_384 || !segments.every(isBase64url)) return ['shape']
  const header = readObject(head)
  const claims = readObject(body)
  if (header === undefined || claims === undefined) return ['shape']
  const rules: [Rule, boolean][] = [
    ['algorithm', header['alg'] === 'RS256'],
    ['critical', !('crit' in header)],
    ['type', header['typ'] === undefined || String(header['typ']).toLowerCase() === 'jwt'],
    ['issuer', at.issuers.includes(claims['iss'] as string)],
    ['audience', isForUs(claims['aud'], at)],
    ['party', isIssuedToUs(claims, at)],
    ['time', isTimely(claims, at.now)],
    ['hash', !at.requireAtHash || claims['at_hash'] === leftHalf(at.accessToken)],
    ['nonce', claims['nonce'] === undefined || claims['nonce'] === at.nonce],
    ['purpose', claims['purpose'] === undefined || claims['purpose'] === 'id'],
    [
      'identity',
      ['sub', 'account_id'].every((name) => isName(claims[name])) && isName(claims['user_id'], true),
    ],
  ]
  const key = keyFor(header, at.keys)
  if (key === undefined) rules.push(['key', false])
  else rules.push(['signature', verify('sha256', Buffer.from(`${head}.${body}`), key, bytesOf(signature))])
  return rules.flatMap(([rule, holds]) => (holds ? [] : [rule]))
}

function isBase64url(segment: string): boolean {
  return /^[\w-]+$/.test(segment)
}

function bytesOf(segment: string): Buffer {
  return Buffer.from(segment, 'base64url')
}

function readObject(segment: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(bytesOf(segment).toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Members)
      : undefined
  } catch {
    return undefined
  }
}

/** The one key that is meant, of those that sign by RSA. What else a header says about keys counts for nothing. */
function keyFor({ kid }: Members, published: Circumstances['keys']) {
  const meant = published.filter(
    (key) =>
      key['kty'] === 'RSA' &&
      [undefined, 'sig'].includes(key['use'] as string) &&
      [undefined, 'RS256'].includes(key['alg'] as string) &&
      (kid === undefined || key['kid'] === kid),
  )
  return meant.length === 1 ? createPublicKey({ key: meant[0] as JsonWebKey, format: 'jwk' }) : undefined
}

function isForUs(audience: unknown, { clientID, apis }: Circumstances): boolean {
  const all: unknown[] = Array.isArray(audience) ? audience : [audience]
  return all.includes(clientID) && all.every((one) => one === clientID || apis.includes(one as string))
}

function isIssuedToUs({ aud, azp }: Members, { clientID }: Circumstances): boolean {
  return azp === clientID || (azp === undefined && !(Array.isArray(aud) && aud.length > 1))
}

/** A minute of tolerance, and ten more for an id_token to arrive in. */
function isTimely({ iat, exp, nbf }: Members, now: number): boolean {
  const minute = 60
  return (
    typeof exp === 'number' &&
    typeof iat === 'number' &&
    exp > now - minute &&
    iat <= now + minute &&
    iat >= now - 11 * minute &&
    (nbf === undefined || (typeof nbf === 'number' && nbf <= now + minute))
  )
}

/** OpenID Connect Core 3.1.3.6 */
function leftHalf(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
}

function isName(value: unknown, mayBeMissing = false): boolean {
  if (value === undefined) return mayBeMissing
  return typeof value === 'string' && /^[!-~]+$/.test(value) && value.length <= 128
}
