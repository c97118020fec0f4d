import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import { missingScopes } from '../scopes/scope'
import { callVerify } from './call-verify'
import { loginEnded } from './concurrent-logins'
import { type Attempt, type LoginOutcome, unchanged } from './login-attempt'
import { isRecent } from './login-records'
import { isSameUser } from '../user'

/** A second callback of the same login shares the grant of the first one, if that was created in the last ten seconds. */
export async function joinConcurrentCallback({
  parts,
  req,
  res,
  login,
  held,
  requestedScopes,
}: Attempt): Promise<LoginOutcome> {
  const { grants, records, stateStore } = parts
  const end = await records.waitUntilEnded(login.grantID)
  // The first callback of one that was replaced may still be running: the next login has to know of it.
  if (end?.how !== 'replaced') stateStore.remove(req, res, login)
  if (held?.grantID === login.grantID) return unchanged
  if (!isRecent(end) || end.how === 'failed') throw used()
  if (end.how === 'loggedOut') throw loginEnded()
  // The one in its place may still fail.
  if (end.how === 'replaced' && !(await records.isDone(end.by))) return unchanged
  const found = await grants.latest(login.grantID)
  // The grant of a login that was replaced is being removed, so only the one in its place can be shared.
  if (end.how === 'replaced' && (found === undefined || found.id === login.grantID)) return unchanged
  if (found === undefined) throw used()
  const { user, tokens } = found.record
  const made = {
    user: { ...user },
    tokens,
    grantedScopes: tokens.scope,
    requestedScopes: found.record.requestedScopes,
  }
  const verified = await callVerify(parts, req, made)
  // While the app took its time, a logout may have ended it, and a step-up replaced it.
  const grant = await grants.latest(found.id)
  if (grant === undefined || !isSameUser(grant.record.user, user)) throw loginEnded()
  const isOwn = grant.id === login.grantID
  const missing = missingScopes(tokens.scope, requestedScopes, grants.client.appType)
  return { kind: 'loggedIn', grant, verified, declined: isOwn ? missing : [], isNew: false }
}

function used(): AuthorizationResponseError {
  return new AuthorizationResponseError('This login is finished already', {
    code: 'ERR_PAGERDUTY_STATE_USED',
    status: 403,
    stateMismatch: 'used',
    hint: 'The same callback arrived before: more than ten seconds ago, or it failed, or its login has been ended since.',
  })
}
