import { createHash, generateKeyPair, randomBytes, sign } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Claims } from './settings'

interface SigningKey {
  privateKey: KeyObject
  header: { alg: 'RS256'; kid: string; x5t: string }
  published: JsonWebKey
}

const generate = promisify(generateKeyPair)

/** Signs id_tokens by RS256 and publishes the keys: the current one, and the one before so that earlier tokens still verify. */
export class IDTokenSigner {
  #keys: Promise<readonly [SigningKey, ...SigningKey[]]> = firstKey().then((key) => [key])

  async rotate(): Promise<void> {
    const [current] = await this.#keys
    const next = await newKey()
    this.#keys = Promise.resolve([next, current])
  }

  async sign(claims: Claims): Promise<string> {
    const [{ privateKey, header }] = await this.#keys
    const content = `${encode(header)}.${encode(claims)}`
    return `${content}.${sign('sha256', Buffer.from(content), privateKey).toString('base64url')}`
  }

  async jwks(): Promise<{ keys: JsonWebKey[] }> {
    return { keys: (await this.#keys).map(({ published }) => published) }
  }
}

let first: Promise<SigningKey> | undefined

/**
 * The same for all signers of a process, as generating a key takes longer than the rest of the start. Nothing waits for it
 * before the first login.
 */
function firstKey(): Promise<SigningKey> {
  return (first ??= newKey())
}

/** OpenID Connect Core section 3.1.3.6: the left half of the hash. */
export function atHash(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url')
}

async function newKey(): Promise<SigningKey> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 })
  // There is no certificate behind these keys; the hash of the bare key has the shape of a thumbprint.
  const x5t = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
  const kid = `-${randomBytes(4).readUInt32BE()}`
  return {
    privateKey,
    header: { alg: 'RS256', kid, x5t },
    published: { ...publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid, x5t },
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
