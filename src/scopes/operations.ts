import { nearest } from '../errors/closest-match'
import { type Operation, type Scope, operationTable } from './catalogue'

/** For scopes where it is not obvious which one to request. */
const notes: Partial<Record<Scope, string>> = {
  'analytics.read':
    'Until March 2026 the operations that POST to /analytics declared analytics.read; request both.',
  'analytics.write': 'Until March 2026 the operations that declare it declared analytics.read; request both.',
  'contextual_data.read': 'Declared by a POST too, /enrichment/query: the method does not show the scope.',
  'incident.read':
    'Declared by one operation only, GET /sre_agent/memories, and likely meant to be incidents.read. Request both.',
  'sre_agent.write': 'There is no sre_agent.read.',
  'templates.read': 'Declared by a POST too, /templates/{id}/render: the method does not show the scope.',
}

// An object from the start: to make one of 498 entries takes longer than all the rest.
const declared = {} as Record<Operation, readonly Scope[] | undefined>
const withFrom = new Set<Operation>()
const byMethod = new Map<string, { segments: readonly string[]; operation: Operation }[]>()

for (const line of operationTable.trim().split('\n')) {
  const [list = '', methods = '', ...paths] = line.split(' ')
  const needed = list === '-' ? undefined : Object.freeze(list.split(',') as Scope[])
  for (const marked of methods.split(',')) {
    const method = marked.replace('*', '')
    const operations = byMethod.get(method) ?? []
    byMethod.set(method, operations)
    for (const path of paths) {
      const operation = `${method} ${path}` as Operation
      declared[operation] = needed
      operations.push({ segments: path.split('/'), operation })
      if (marked !== method) withFrom.add(operation)
    }
  }
}

/**
 * The operations of PagerDuty's REST API, SCIM included, and of its integrations with Jira Cloud, Microsoft Teams and Slack. Each
 * with the scopes that it declares, all of which it needs; undefined where it declares none, which does not mean that it needs none.
 */
export const operationScopes: Readonly<Record<Operation, readonly Scope[] | undefined>> =
  Object.freeze(declared)

/** The scopes that operations of PagerDuty's API declare, with a note where it is not obvious which one to request. */
export const scopes = Object.fromEntries(
  [...new Set(Object.values(declared).flatMap((list) => list ?? []))].toSorted().map((scope) => {
    const [resource, access] = scope.split('.')
    const note = notes[scope]
    return [scope, { resource, access, ...(note && { note }) }]
  }),
) as Readonly<Record<Scope, Readonly<{ resource: string; access: 'read' | 'write'; note?: string }>>>

/**
 * The operation of PagerDuty's API that a request is for: by its template (`GET /incidents/{id}`) or by a concrete path
 * (`GET /incidents/PT4KHLK?include[]=teams`).
 *
 * @returns undefined for an operation that the catalogue does not have
 */
export function operationOf(request: string): Operation | undefined {
  if (Object.hasOwn(operationScopes, request)) return request as Operation
  const [, method = '', path = ''] = /^(\S+) (?:https?:\/\/[^/]+)?(\/[^?#]*)/.exec(request) ?? []
  const segments = path.replace(/(?<=.)\/$/, '').split('/')
  const candidates = (byMethod.get(method === 'HEAD' ? 'GET' : method) ?? []).filter(
    (candidate) =>
      candidate.segments.length === segments.length &&
      candidate.segments.every(
        (part, at) => part === segments[at] || (isParameter(part) && isID(segments[at])),
      ),
  )
  // "/users/me" matches "/users/{id}" as well.
  const [closest] = candidates.toSorted((one, other) => parameters(one.segments) - parameters(other.segments))
  return closest?.operation
}

/**
 * The scopes that an operation of PagerDuty's API declares: it needs all of them. `unknown` where it declares none, or where the
 * catalogue does not have it: it may need some all the same.
 *
 * @param operation method and path: the template, or a concrete path
 *
 * @example scopesFor('GET /incidents/{id}') // ['incidents.read']
 */
export function scopesFor(operation: Operation | (string & {})): readonly Scope[] | 'unknown' {
  const found = operationOf(operation)
  return (found && operationScopes[found]) ?? 'unknown'
}

/** Whether the operation that a request is for declares the header `From`: the email address of the user who acts. */
export function declaresFrom(request: string): boolean {
  const operation = operationOf(request)
  return operation !== undefined && withFrom.has(operation)
}

/** Whether this is a scope of Scoped OAuth that the catalogue has. PagerDuty compares them exactly. */
export function isKnownScope(scope: string): scope is Scope {
  return Object.hasOwn(scopes, scope)
}

/** The known scope that is most similar to a misspelt one, if one is similar enough to be meant. */
export function nearestScope(scope: string): Scope | undefined {
  return nearest(scope.toLowerCase(), Object.keys(scopes) as Scope[])
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{')
}

/** A URL parser removes these segments. */
function isID(segment: string | undefined): boolean {
  return segment !== undefined && !['', '.', '..'].includes(segment)
}

function parameters(segments: readonly string[]): number {
  return segments.filter(isParameter).length
}
