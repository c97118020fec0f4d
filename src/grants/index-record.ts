import { isNumber, isOptionalNumber, isText, listOf, parseJSON } from '../store/decode'

/** One grant of a user, and when its entry expires (milliseconds since the epoch). */
interface Entry {
  id: string
  until: number
}

/** What is stored for one user. */
export interface List {
  readonly entries: readonly Entry[]
  /** Number of entries at which those are removed whose grant is gone. */
  readonly pruneAt: number
  /** When all logins of the user were ended, in milliseconds since the epoch; remembered for {@link endRemembered}. */
  readonly endedAt: number | undefined
}

/** Fewer entries than these are never looked through for grants that are gone. */
export const fewest = 50
/** Milliseconds for which it is remembered that all logins were ended: longer than any callback takes. */
export const endRemembered = 15 * 60_000

export const empty: List = { entries: [], pruneAt: fewest, endedAt: undefined }

/** Milliseconds until nothing in it matters any more. */
export function lifeOf({ entries, endedAt = -Infinity }: List): number {
  return Math.max(...entries.map((entry) => entry.until), endedAt + endRemembered) - Date.now()
}

/** The entries, followed by the other members unless they have their defaults, as for most users. */
export function encode({ entries, pruneAt, endedAt }: List): string {
  const isUsual = pruneAt === fewest && endedAt === undefined
  const rest = isUsual ? [] : [{ p: pruneAt, t: endedAt }]
  return JSON.stringify([...entries.map((entry) => [entry.id, entry.until]), ...rest])
}

/** Undefined for anything that is not a complete list, as another version of this package may have written. */
export function decode(text: string): List | undefined {
  const items = listOf(parseJSON(text))
  if (items === undefined) return undefined
  const hasRest = items.length > 0 && listOf(items.at(-1)) === undefined
  const { p = fewest, t } = Object(hasRest ? items.at(-1) : {}) as Record<string, unknown>
  const entries = (hasRest ? items.slice(0, -1) : items).map(entryOf)
  const complete = entries.filter((entry) => entry !== undefined)
  if (complete.length < entries.length || !isNumber(p) || !isOptionalNumber(t)) return undefined
  return { entries: complete, pruneAt: p, endedAt: t }
}

function entryOf(written: unknown): Entry | undefined {
  const [id, until] = listOf(written) ?? []
  return isText(id) && isNumber(until) ? { id, until } : undefined
}
