import { type KeyObject, constants, createHmac, generateKeyPairSync, sign } from 'node:crypto'

/** A key pair and the name it has in a JWKS. */
export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export function rsaKey(kid: string): SigningKey {
  return { kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }
}

export function ecKey(kid: string): SigningKey {
  return { kid, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
}

/** The public half as PagerDuty publishes it. */
export function jwk(
  { kid, publicKey }: SigningKey,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig', ...more }
}

export function pem({ publicKey }: SigningKey): string {
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

type Signer = (input: Buffer) => Buffer

export function rs256({ privateKey }: SigningKey): Signer {
  return (input) => sign('sha256', input, privateKey)
}

export function ps256({ privateKey: key }: SigningKey): Signer {
  return (input) => sign('sha256', input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
}

export function es256({ privateKey: key }: SigningKey): Signer {
  return (input) => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' })
}

export function hs256(secret: string | Buffer): Signer {
  return (input) => createHmac('sha256', secret).update(input).digest()
}

export const unsigned: Signer = () => Buffer.alloc(0)

/**
 * A compact JWS, made by hand so that it can be as wrong as a test needs. Header and payload given as text stand in it
 * as they are, which allows what no object can express.
 */
export function compactJWS(header: object | string, payload: object | string, signer: Signer): string {
  const input = `${base64url(header)}.${base64url(payload)}`
  return `${input}.${signer(Buffer.from(input)).toString('base64url')}`
}

function base64url(part: object | string): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

/** Another text for the same bytes: base64url whose last character carries bits that decoding drops. */
export function base64urlTwin(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const twin = text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) + 1)
  if (!Buffer.from(twin, 'base64url').equals(Buffer.from(text, 'base64url')))
    throw new Error('There is no twin')
  return twin
}
