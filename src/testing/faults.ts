import { rateLimitError, rateLimitHeaders } from './wire'

/** Where a fault can be put. */
export type Target = 'authorize' | 'token' | 'revoke' | 'jwks' | 'userinfo' | 'api'

/** An answer in place of the real one. */
export interface FaultAnswer {
  status: number
  headers?: Record<string, string> | undefined
  body?: unknown
  /** Seconds, sent as `Retry-After`. */
  retryAfter?: number | undefined
  /** Whether the request takes effect all the same. @default false */
  after?: boolean | undefined
}

/**
 * How a call fails. `reset` closes the connection before anything happened, `reset-after` when it has, so that the
 * answer is lost; `stall` and `stall-after` keep silent until the caller gives up; `half` takes effect and breaks off
 * in the middle of the answer; `html` is a proxy's 502 page. A name of RFC 6749 is answered as that error.
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

const cannedAnswers: Partial<Record<string, FaultAnswer>> = {
  '500': { status: 500, body: { error: 'server_error' } },
  '503': { status: 503, body: { error: 'temporarily_unavailable' } },
  '429': { status: 429, headers: rateLimitHeaders(960, 0, 1), retryAfter: 1, body: rateLimitError },
  html: {
    status: 502,
    headers: { 'Content-Type': 'text/html' },
    body: '<html><h1>502 Bad Gateway</h1></html>',
  },
  redirect: { status: 302, headers: { Location: '/elsewhere' }, body: '' },
  invalid_client: { status: 401, body: { error: 'invalid_client' } },
  invalid_grant: { status: 400, body: { error: 'invalid_grant' } },
  invalid_request: { status: 400, body: { error: 'invalid_request' } },
}

/** @internal Faults waiting for the next calls, first in, first out. */
export class FaultQueue {
  readonly #waiting = new Map<Target, Fault[]>()

  add(target: Target, fault: Fault, times: number): void {
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

/** @internal The answer that a fault puts in place of the real one, if it puts one. */
export function answerInstead(fault: Fault | undefined): FaultAnswer | undefined {
  return typeof fault === 'string' ? cannedAnswers[fault] : fault
}

/** @internal Whether the request is carried out, whatever becomes of its answer. */
export function takesEffect(fault: Fault | undefined): boolean {
  const instead = answerInstead(fault)
  return instead ? instead.after === true : fault !== 'reset' && fault !== 'stall'
}
