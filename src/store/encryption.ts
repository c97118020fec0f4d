import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { ConfigurationError } from '../errors/errors'
import { isPlaceholder } from './placeholder'

const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/**
 * The keys derived from the option `secret`: one per purpose, so that nothing encrypted for one can be decrypted as another.
 * The first secret encrypts, all of them decrypt, so that secrets can rotate without logging anyone out.
 */
export class KeyRing {
  readonly #secrets: readonly string[]

  /** @throws {ConfigurationError} when a secret is missing, short or a placeholder */
  constructor(secret: string | readonly string[]) {
    this.#secrets = Array.isArray(secret) ? [...(secret as readonly string[])] : [secret as string]
    if (this.#secrets.length === 0) throw new ConfigurationError('secret', 'must hold at least one secret')
    for (const value of this.#secrets) {
      if (typeof value !== 'string' || value.length < 32 || isPlaceholder(value)) {
        throw new ConfigurationError(
          'secret',
          'must be 32 characters or more, and random',
          'Make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')". In SESSION_SECRET a comma separates secrets.',
        )
      }
    }
  }

  /** For development and single processes: a random secret that is lost with the process. */
  static random(): KeyRing {
    return new KeyRing(randomBytes(32).toString('base64url'))
  }

  /** A sealer whose values no other purpose can decrypt. */
  sealer(purpose: string): Sealer {
    return new Sealer(this.#derive(purpose))
  }

  /** The derived keys as strings, newest first, for a library that signs by itself. */
  texts(purpose: string): string[] {
    return this.#derive(purpose).map((key) => key.toString('base64url'))
  }

  #derive(purpose: string): Buffer[] {
    return this.#secrets.map((secret) =>
      Buffer.from(hkdfSync('sha256', secret, 'passport-pagerduty', `passport-pagerduty ${purpose}`, 32)),
    )
  }
}

/** Authenticated encryption (AES-256-GCM) of strings, each bound to associated data. */
export class Sealer {
  readonly #keys: ReadonlyMap<string, Buffer>
  readonly #newest: string

  constructor(keys: readonly Buffer[]) {
    this.#keys = new Map(keys.map((key) => [keyID(key), key]))
    this.#newest = keyID(keys[0] as Buffer)
  }

  /** @param associatedData where the value belongs: its logical key, its cookie's name */
  seal(text: string, associatedData: string): string {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv(algorithm, this.#keys.get(this.#newest) as Buffer, nonce, {
      authTagLength: tagBytes,
    })
    cipher.setAAD(this.#context(this.#newest, associatedData))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `1.${this.#newest}.${sealed.toString('base64url')}`
  }

  /** The string; undefined for anything that was not encrypted with these keys and this associated data. */
  open(value: string, associatedData: string): string | undefined {
    const [version, id, body, ...rest] = value.split('.')
    const key = version === '1' && id !== undefined ? this.#keys.get(id) : undefined
    if (key === undefined || id === undefined || body === undefined || rest.length > 0) return undefined
    const sealed = Buffer.from(body, 'base64url')
    if (sealed.length < nonceBytes + tagBytes || sealed.toString('base64url') !== body) return undefined
    const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
    decipher.setAAD(this.#context(id, associatedData))
    decipher.setAuthTag(sealed.subarray(-tagBytes))
    try {
      return (
        decipher.update(sealed.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
      )
    } catch {
      return undefined
    }
  }

  #context(id: string, associatedData: string): Buffer {
    return Buffer.from(`1.${id}.${associatedData}`)
  }
}

function keyID(key: Buffer): string {
  return createHash('sha256').update('key id').update(key).digest('base64url').slice(0, 6)
}
