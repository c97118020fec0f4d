/** What a text means as JSON; undefined where it is none. */
export function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The items of a list, with undefined for null, which is how JSON writes it there; undefined where it is no list. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value.map((item: unknown) => item ?? undefined) : undefined
}

/** JSON has numbers, such as 1e999, that become infinite. */
export function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

export function isOptionalNumber(value: unknown): value is number | undefined {
  return value === undefined || isNumber(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || isText(value)
}
