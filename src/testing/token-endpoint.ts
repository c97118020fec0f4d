import { randomUUID } from 'node:crypto'
import type { Request } from 'express'
import { accountScope, regionalAPI } from './accounts'
import type { Account } from './accounts'
import { narrowScope, serves } from './clients'
import type { RegisteredClient } from './clients'
import type { Delegation, TokenPair } from './tokens'
import { atHash } from './id-token-signer'
import type { Parts } from './parts'
import { oauthError, readForm, Refusal } from './wire'
import type { Parameters, Reply } from './wire'

// Served from here, but signed in PagerDuty's name: this is the issuer that real tokens carry.
export const issuer = 'https://app.pagerduty.com/global/oauth/anonymous'

/** `POST /oauth/token` */
export function token(parts: Parts, req: Request): Reply | Promise<Reply> {
  const form = readForm(req)
  const client = authenticate(parts, form)
  switch (form.get('grant_type')) {
    case 'authorization_code':
      return exchangeCode(parts, client, form)
    case 'refresh_token':
      return renew(parts, client, form)
    case 'client_credentials':
      return issueAppToken(parts, client, form)
    case undefined:
      return oauthError('invalid_request', 'The grant_type is missing')
    default:
      return oauthError('unsupported_grant_type', 'The grant_type is not supported')
  }
}

/** `POST /oauth/revoke`; as RFC 7009 requires, revoking an unknown token succeeds too. */
export function revoke(parts: Parts, req: Request): Reply {
  const form = readForm(req)
  const { clientID } = authenticate(parts, form)
  const value = form.get('token')
  if (!value) return oauthError('invalid_request', 'The token is missing')
  parts.grants.revoke(value, clientID)
  return { status: 200, body: '' }
}

function authenticate(parts: Parts, form: Parameters): RegisteredClient {
  const client = parts.clients.get(form.get('client_id') ?? '')
  // For a public client, even an empty secret is wrong: a request with the parameter treats the app as confidential.
  if (client && form.get('client_secret') === client.clientSecret) return client
  throw new Refusal(oauthError('invalid_client', 'Client authentication failed', 401))
}

async function exchangeCode(parts: Parts, client: RegisteredClient, form: Parameters): Promise<Reply> {
  const code = form.get('code')
  if (!code) return oauthError('invalid_request', 'The code is missing')
  const delegation = parts.grants.redeemCode(code, {
    clientID: client.clientID,
    redirectURI: form.get('redirect_uri'),
    verifier: form.get('code_verifier'),
  })
  if (!delegation)
    return oauthError('invalid_grant', 'The code is unknown, used, expired or was issued for another request')
  const pair = parts.grants.issuePair(delegation)
  // Before signing, which may have to wait for the key: the lifetime counts from now.
  const { status, body } = tokenAnswer(parts, pair)
  return { status, body: { ...body, id_token: await idToken(parts, delegation, pair.access.value) } }
}

// A `scope` sent along is ignored: PagerDuty documents none for a refresh, and the grant stays what was consented to.
function renew(parts: Parts, client: RegisteredClient, form: Parameters): Reply {
  const value = form.get('refresh_token')
  if (!value) return oauthError('invalid_request', 'The refresh_token is missing')
  const pair = parts.grants.refresh(value, client.clientID)
  if (!pair) return oauthError('invalid_grant', 'The refresh token is unknown, used, expired or revoked')
  const { delegation } = pair.access
  if (parts.settings.refreshNarrows)
    delegation.scope = ['openid', ...narrowScope(client, delegation.scope.join(' '))]
  return tokenAnswer(parts, pair)
}

function issueAppToken(parts: Parts, client: RegisteredClient, form: Parameters): Reply {
  if (client.appType === 'classic')
    return oauthError('unauthorized_client', 'Only Scoped apps have app tokens')
  const requested = form.get('scope') ?? ''
  const account = selectAccount(parts.accounts, requested)
  if (!account || !serves(client, account)) return oauthError('invalid_request', 'Invalid scope')
  const scope = [accountScope(account), ...narrowScope(client, requested)]
  const { clientID, appType } = client
  const access = parts.grants.issueAccessToken(parts.grants.delegate({ clientID, appType, account, scope }))
  return tokenAnswer(parts, { access }, parts.settings.nullIDToken ? { id_token: null } : {})
}

function selectAccount(accounts: readonly Account[], requested: string): Account | undefined {
  const selectors = requested.split(/\s+/).filter((scope) => scope.startsWith('as_account-'))
  return selectors.length === 1
    ? accounts.find((account) => accountScope(account) === selectors[0])
    : undefined
}

function tokenAnswer(
  parts: Parts,
  { access, refresh }: TokenPair,
  extra: Record<string, unknown> = {},
): Reply & { body: Record<string, unknown> } {
  const { scope, appType } = access.delegation
  const body = {
    ...(appType === 'classic' && { client_info: 'prefix_legacy_app' }),
    ...extra,
    access_token: access.value,
    ...(refresh && { refresh_token: refresh.value }),
    token_type: 'bearer',
    scope: scope.join(' '),
    expires_in: parts.grants.secondsLeft(access),
  }
  return { status: 200, body }
}

function idToken({ settings, signer }: Parts, delegation: Delegation, accessToken: string): Promise<string> {
  const { account, user, clientID, id, nonce, startedAt } = delegation
  const now = Math.floor(settings.now() / 1000)
  const authenticator = 'urn:simulator:authentication:html-form'
  const claims = {
    iss: issuer,
    aud: [regionalAPI(account), clientID],
    azp: clientID,
    sub: user?.id,
    purpose: 'id',
    iat: now,
    nbf: now,
    exp: now + 3600,
    auth_time: Math.floor(startedAt / 1000),
    jti: randomUUID(),
    sid: randomUUID(),
    at_hash: atHash(accessToken),
    acr: authenticator,
    // OpenID Connect wants an array; PagerDuty sends a string.
    amr: authenticator,
    delegation_id: id,
    product_abilities: [],
    account_id: account.id,
    user_id: user?.id,
    subdomain: account.subdomain,
    // The European value has never been published; this one is a guess that nothing should branch on.
    region: account.region === 'eu' ? 'Europe' : 'UnitedStates',
    ...(settings.echoNonce && nonce !== undefined && { nonce }),
  }
  return signer.sign(settings.idTokenClaims?.(claims) ?? claims)
}
