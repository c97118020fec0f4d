import { nearest } from '../closest-match'
import { type Operation, type Scope, operationScopes, otherScopes, scopes } from './catalogue'

const byMethod = new Map<string, { segments: readonly string[]; operation: Operation }[]>()

for (const operation of Object.keys(operationScopes) as Operation[]) {
  const [method = '', path = ''] = operation.split(' ')
  const operations = byMethod.get(method) ?? []
  operations.push({ segments: path.split('/'), operation })
  byMethod.set(method, operations)
}

/**
 * The operation of PagerDuty's REST API that a request is for: by its template (`GET /incidents/{id}`) or by a concrete path
 * (`GET /incidents/PT4KHLK?include[]=teams`).
 *
 * @returns undefined for an operation that the catalogue does not have
 */
export function operationOf(request: string): Operation | undefined {
  if (Object.hasOwn(operationScopes, request)) return request as Operation
  const [, method = '', path = ''] = /^(\S+) (?:https:\/\/[^/]+)?(\/[^?#]*)/.exec(request) ?? []
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
 * The scopes that an operation of PagerDuty's REST API declares. `unknown` where it declares none, or where the catalogue
 * does not have it: it may need some all the same.
 *
 * @param operation method and path: the template, or a concrete path
 *
 * @example scopesFor('GET /incidents/{id}') // ['incidents.read']
 */
export function scopesFor(operation: Operation | (string & {})): readonly Scope[] | 'unknown' {
  const found = operationOf(operation)
  const scope = found && operationScopes[found]
  return scope === undefined ? 'unknown' : [scope]
}

/** Whether this is a scope of Scoped OAuth that the catalogue has. PagerDuty compares them exactly. */
export function isKnownScope(scope: string): scope is Scope {
  return Object.hasOwn(scopes, scope) || Object.hasOwn(otherScopes, scope)
}

/** The known scope that is most similar to a misspelt one, if one is similar enough to be meant. */
export function nearestScope(scope: string): Scope | undefined {
  const known = [...Object.keys(scopes), ...Object.keys(otherScopes)] as Scope[]
  return nearest(scope.toLowerCase(), known)
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
