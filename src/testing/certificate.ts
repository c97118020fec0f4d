import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** DER, as much as a certificate needs of it. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
const identifier = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const time = (text: string) => der(0x17, Buffer.from(text))

const ecdsaWithSHA256 = sequence(identifier('2a8648ce3d040302'))
const commonName = identifier('550403')
const subjectAltName = identifier('551d11')

/** A key and its certificate, as PEM. */
export interface Identity {
  key: string
  cert: string
}

/**
 * A self-signed certificate (RFC 5280) for this machine, and its key, both as PEM. It is not a CA: a client that trusts it trusts
 * this server and nothing else. Its validity does not depend on the clock, which tests move.
 */
export function selfSigned(): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from('PagerDuty simulator')))))
  const names = sequence(
    der(0x82, Buffer.from('localhost')),
    der(0x87, Uint8Array.of(127, 0, 0, 1)),
    der(0x87, Buffer.concat([Buffer.alloc(15), Uint8Array.of(1)])),
  )
  const content = sequence(
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Uint8Array.of(1), randomBytes(15)),
    ecdsaWithSHA256,
    name,
    sequence(time('200101000000Z'), time('491231235959Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(subjectAltName, der(0x04, names)))),
  )
  const signature = der(0x03, Uint8Array.of(0), sign('sha256', content, privateKey))
  const encoded = sequence(content, ecdsaWithSHA256, signature).toString('base64')
  const lines = encoded.match(/.{1,64}/g) as string[]
  const cert = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, cert }
}
