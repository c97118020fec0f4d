import { AuthorizationResponseError } from '../errors'
import { missingScopes } from '../scopes/scope'
import { callVerify } from './call-verify'
import { loginEnded } from './concurrent-logins'
import { type Attempt, type LoginOutcome, unchanged } from './login-attempt'
import { isRecent } from './login-records'

/** A callback that came before: it gets what that one made, if that has just been. */
export async function joinConcurrentCallback({
  parts,
  req,
  login,
  held,
  requestedScopes,
}: Attempt): Promise<LoginOutcome> {
  const { grants, records } = parts
  const end = await records.waitUntilEnded(login.grantID)
  if (held?.grantID === login.grantID) return unchanged
  if (!isRecent(end) || end.how === 'failed') throw used()
  if (end.how === 'loggedOut') throw loginEnded()
  const grant = await grants.latest(login.grantID)
  const isOwn = grant?.id === login.grantID
  // Of a login that another one replaced, the grant itself is being taken back.
  if (end.how === 'replaced' && (grant === undefined || isOwn)) return unchanged
  if (grant === undefined) throw used()
  const { user, tokens } = grant.record
  const made = {
    user: { ...user },
    tokens,
    grantedScopes: tokens.scope,
    requestedScopes: grant.record.requestedScopes,
  }
  const verified = await callVerify(parts, req, made)
  const missing = missingScopes(tokens.scope, requestedScopes, grants.client.appType)
  return { kind: 'loggedIn', grant, verified, refused: isOwn ? missing : [], isNew: false }
}

function used(): AuthorizationResponseError {
  return new AuthorizationResponseError('This login is finished already', {
    code: 'ERR_PAGERDUTY_STATE_USED',
    status: 403,
    stateMismatch: 'used',
    hint: 'The same callback arrived before: more than ten seconds ago, or it failed, or its login has been ended since.',
  })
}
