import { apiError, rateLimitError, rateLimitHeaders } from './wire'
import { type Rules, anything, isObject, requireMembers, requireOneOf, requireValue } from './rules'

const targets = ['authorize', 'token', 'revoke', 'jwks', 'userinfo', 'api']

/** Where a fault can be put. */
export type Target = 'authorize' | 'token' | 'revoke' | 'jwks' | 'userinfo' | 'api'

/** A response in place of the real one. */
export interface FaultAnswer {
  /** The HTTP status. */
  status: number
  headers?: Record<string, string> | undefined
  /** Sent as JSON, unless it is a string. */
  body?: unknown
  /** Seconds, sent as `Retry-After`. */
  retryAfter?: number | undefined
  /** Whether the request takes effect all the same. @default false */
  after?: boolean | undefined
}

/**
 * How a call fails. `reset` closes the connection before anything happened, `reset-after` when it has, so that the
 * response is lost; `stall` and `stall-after` keep silent until the caller gives up; `half` takes effect and breaks off
 * in the middle of the response; `html` is a proxy's 502 page. A name of RFC 6749 responds with that error.
 */
export type Fault =
  | '500'
  | '503'
  | '429'
  | 'reset'
  | 'reset-after'
  | 'stall'
  | 'stall-after'
  | 'half'
  | 'html'
  | 'redirect'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_request'
  | FaultAnswer

const named = (status: number, error: string): FaultAnswer => ({ status, body: { error } })

const cannedAnswers: Partial<Record<string, FaultAnswer>> = {
  '500': named(500, 'server_error'),
  '503': named(503, 'temporarily_unavailable'),
  '429': { status: 429, headers: rateLimitHeaders(960, 0, 1), retryAfter: 1, body: rateLimitError },
  html: {
    status: 502,
    headers: { 'Content-Type': 'text/html' },
    body: '<html><h1>502 Bad Gateway</h1></html>',
  },
  redirect: { status: 302, headers: { Location: '/elsewhere' }, body: '' },
  invalid_client: named(401, 'invalid_client'),
  invalid_grant: named(400, 'invalid_grant'),
  invalid_request: named(400, 'invalid_request'),
  // The REST API has an error body of its own.
  'api 500': apiError(500, 'Internal Server Error', 2000),
  'api 503': apiError(503, 'Service Unavailable'),
}

const names = [
  ...Object.keys(cannedAnswers).filter((name) => !name.includes(' ')),
  ...['reset', 'reset-after', 'stall', 'stall-after', 'half'],
]

const rules: Rules<FaultAnswer> = {
  status: 'a whole number from 200 to 599',
  headers: [areHeaders, 'names and values of HTTP headers'],
  body: anything,
  retryAfter: 'a number from 0 to 9999999999 or undefined',
  after: 'a boolean or undefined',
}

function areHeaders(value: unknown): boolean {
  try {
    new Headers(value as Record<string, string> | undefined)
    return value === undefined || isObject(value)
  } catch {
    return false
  }
}

/** @internal Rejects what would make nothing fail, or the call in another way. */
export function requireFault(fault: unknown, by: 'failNext()' | 'tokenFault'): void {
  if (typeof fault === 'string') return requireOneOf(names, fault, by)
  const name = by === 'tokenFault' ? 'tokenFault()' : 'fault'
  const members = Object.keys(rules).join(', ')
  requireValue(name, fault, [isObject, `one of ${names.join(', ')} or { ${members} }`])
  requireMembers(by, fault as object, rules, name)
}

/** @internal Faults waiting for the next calls, first in, first out. */
export class FaultQueue {
  readonly #waiting = new Map<Target, Fault[]>()

  add(target: Target, fault: Fault, times: number): void {
    requireOneOf(targets, target, 'failNext()')
    requireFault(fault, 'failNext()')
    requireValue('times', times, 'a whole number from 1 to 1000000')
    const queue = this.#waiting.get(target) ?? []
    this.#waiting.set(target, [...queue, ...Array.from({ length: times }, () => fault)])
  }

  next(target: Target): Fault | undefined {
    return this.#waiting.get(target)?.shift()
  }

  clear(): void {
    this.#waiting.clear()
  }
}

/** @internal The response that a fault sends instead of the real one, if any. */
export function answerInstead(fault: Fault | undefined, target: Target): FaultAnswer | undefined {
  if (typeof fault !== 'string') return fault
  return cannedAnswers[`${target} ${fault}`] ?? cannedAnswers[fault]
}

/** @internal Whether the request is carried out, whatever happens to its response. */
export function takesEffect(fault: Fault | undefined, instead: FaultAnswer | undefined): boolean {
  return instead ? instead.after === true : fault !== 'reset' && fault !== 'stall'
}
