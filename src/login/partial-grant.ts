import type { Request } from 'express'
import { ScopeNotGrantedError } from '../errors/pagerduty-errors'
import { decided } from './verify'
import type { PagerDutyUser } from '../user'

/** A login to which PagerDuty granted less than it requested. */
export interface PartialGrant {
  /** Who logs in, as PagerDuty signed it. `verify` has not been called yet. */
  readonly user: PagerDutyUser
  /** What this login requested: at a step-up, what was granted before and what it adds. */
  readonly requestedScopes: readonly string[]
  /** What PagerDuty granted; only `openid` where the app at PagerDuty has none of the others. */
  readonly grantedScopes: readonly string[]
  /** What was requested and not granted. */
  readonly missing: readonly string[]
  /** The likely reason, as a sentence for the operator of the app. */
  readonly diagnosis: string
}

/**
 * What to do with such a login: accept it, deny it, or let a function decide, which denies by returning false. If it throws, or
 * has not decided after ten seconds, the login fails.
 */
export type PartialGrantPolicy = 'accept' | 'fail' | ((difference: PartialGrant, req: Request) => unknown)

/** Why PagerDuty may have granted less. Its response gives no reason. @internal */
export function diagnose(granted: readonly string[], missing: readonly string[]): string {
  const isNothing = granted.every((scope) => scope === 'openid')
  return isNothing
    ? `Only openid came back: none of ${missing.join(', ')} is configured on the app at PagerDuty. Check their spelling and case there.`
    : `PagerDuty left out ${missing.join(', ')}: not configured on the app there, or spelt differently.`
}

/** @throws {ScopeNotGrantedError} the policy denies the login @internal */
export async function requireAcceptable(
  policy: PartialGrantPolicy,
  difference: PartialGrant,
  req: Request,
): Promise<void> {
  const ask = async (decide: Exclude<PartialGrantPolicy, string>) => decide(difference, req)
  const isAccepted =
    typeof policy === 'function' ? await decided('partialGrant', ask(policy)) : policy === 'accept'
  if (isAccepted !== false) return
  throw new ScopeNotGrantedError(difference.requestedScopes, difference.grantedScopes, {
    message: 'PagerDuty granted less than this app needs',
    status: 403,
    hint: difference.diagnosis,
  })
}
