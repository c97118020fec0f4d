/** Many scopes by their endings, so that each name stands once: read and write, read only, write only, others. */
export type ScopeGroups = readonly [both: string, read: string, write: string, others: string]

/** Scopes that are not much text stay as they are, in the order in which PagerDuty gave them. */
const longText = 400

/**
 * A set of scopes as it is stored: a text, or grouped if that would be long. It needs no list of known scopes, so every
 * version of this package can read what another one has stored.
 */
export function groupScopes(list: readonly string[]): string | ScopeGroups {
  const text = list.join(' ')
  if (text.length < longText) return text
  const named = (ending: string) =>
    new Set(
      list
        .filter((scope) => scope.endsWith(ending) && scope !== ending)
        .map((scope) => scope.slice(0, -ending.length)),
    )
  const [read, write] = [named('.read'), named('.write')]
  const only = (these: Set<string>, isAlsoIn: Set<string>, is: boolean) =>
    [...these].filter((name) => isAlsoIn.has(name) === is).join(' ')
  const others = list.filter((scope) => !/.\.(read|write)$/.test(scope))
  return [only(read, write, true), only(read, write, false), only(write, read, false), others.join(' ')]
}

/** The scopes again; undefined for anything else. */
export function ungroupScopes(stored: unknown): string | undefined {
  if (typeof stored === 'string') return stored
  if (!Array.isArray(stored) || stored.length !== 4 || !stored.every((part) => typeof part === 'string')) {
    return undefined
  }
  const [both, read, write, others] = stored.map((part: string) =>
    part.split(' ').filter(Boolean),
  ) as string[][]
  const all = [
    ...(both ?? []).flatMap((name) => [`${name}.read`, `${name}.write`]),
    ...(read ?? []).map((name) => `${name}.read`),
    ...(write ?? []).map((name) => `${name}.write`),
    ...(others ?? []),
  ]
  return all.join(' ')
}
