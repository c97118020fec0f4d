import type { Request } from 'express'
import { ScopeNotGrantedError } from '../pagerduty-errors'
import { decided } from './decision'
import type { PagerDutyUser } from '../user'

/** A login that PagerDuty granted less than was asked for. */
export interface PartialGrant {
  /** Who logs in, as PagerDuty signed it. `verify` has not been asked yet. */
  readonly user: PagerDutyUser
  /** What this login asked for: at a step-up, what was granted before and what it adds. */
  readonly requestedScopes: readonly string[]
  /** What came instead; only `openid` where the app at PagerDuty has none of the others. */
  readonly grantedScopes: readonly string[]
  /** What was asked for and is not granted. */
  readonly missing: readonly string[]
  /** What the likely reason is, as a sentence for whoever runs the app. */
  readonly diagnosis: string
}

/**
 * What to do with such a login: take it as it is, refuse it, or ask a function, which refuses by returning false or by
 * throwing. It has ten seconds, after which the login fails.
 */
export type PartialGrantPolicy = 'accept' | 'fail' | ((difference: PartialGrant, req: Request) => unknown)

/** Why PagerDuty may have granted less: it says nothing itself. */
export function diagnose(granted: readonly string[], missing: readonly string[]): string {
  const isNothing = granted.every((scope) => scope === 'openid')
  return isNothing
    ? `Only openid came back: none of ${missing.join(', ')} is configured on the app at PagerDuty. Check their spelling and case there.`
    : `PagerDuty left out ${missing.join(', ')}: not configured on the app there, or spelt differently.`
}

/** @throws {ScopeNotGrantedError} the policy refuses the login */
export async function requireAcceptable(
  policy: PartialGrantPolicy,
  difference: PartialGrant,
  req: Request,
): Promise<void> {
  const ask = async (judge: Exclude<PartialGrantPolicy, string>) => judge(difference, req)
  const isAccepted =
    typeof policy === 'function' ? await decided('partialGrant', ask(policy)) : policy === 'accept'
  if (isAccepted !== false) return
  throw new ScopeNotGrantedError(difference.requestedScopes, difference.grantedScopes, {
    message: 'PagerDuty granted less than this app needs',
    status: 403,
    hint: difference.diagnosis,
  })
}
