/** Undefined for a string that is not JSON. */
export function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** A copy of a value that is JSON, for those who may change it. */
export function copyOfJSON(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown)
}

/** The items of a list, with undefined for null, as JSON writes undefined in lists; undefined for anything else. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value.map((item: unknown) => item ?? undefined) : undefined
}

/** Finite: JSON has numbers such as 1e999. */
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
