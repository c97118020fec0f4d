import { createHash } from 'node:crypto'
import { otherScopes, scopes } from '../scopes/catalogue'

/** Scopes that are not much text are kept as they are: such a text is good for every version of the catalogue. */
const longText = 150

const known = ['openid', 'read', 'write', ...Object.keys(scopes), ...Object.keys(otherScopes)]
const positions = new Map(known.map((scope, position) => [scope, position]))
/** Processes of another version have other positions, and must not take one scope for another. */
const version = createHash('sha256').update(known.join(' ')).digest('base64url').slice(0, 4)

/** A set of scopes as a text that is short even for all of PagerDuty's: one bit for each known scope. */
export function packScopes(list: readonly string[]): string {
  const text = list.join(' ')
  if (text.length < longText) return text
  const bits = Buffer.alloc(Math.ceil(known.length / 8))
  const others = list.filter((scope) => {
    const position = positions.get(scope)
    if (position === undefined) return true
    bits[position >> 3] = (bits[position >> 3] ?? 0) | (1 << (position & 7))
    return false
  })
  // No scope begins with a blank.
  return ` ${[version + bits.toString('base64url'), ...others].join(' ')}`
}

/** The scopes again, in the catalogue's order; undefined for a text of another version. */
export function unpackScopes(text: string): readonly string[] | undefined {
  if (!text.startsWith(' ')) return text.split(' ')
  const [packed = '', ...others] = text.slice(1).split(' ')
  if (!packed.startsWith(version)) return undefined
  const bits = Buffer.from(packed.slice(version.length), 'base64url')
  const isIn = (position: number) => ((bits[position >> 3] ?? 0) & (1 << (position & 7))) !== 0
  return [...known.filter((_scope, position) => isIn(position)), ...others]
}
