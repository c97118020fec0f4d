import type { Request } from 'express'
import { findMember } from './accounts'
import type { Member } from './accounts'
import { userHeader } from './approve'
import { acceptsRedirect, allowedRedirects, narrowScope, needsPKCE, serves } from './clients'
import type { RegisteredClient } from './clients'
import { loginPage, refusalPage } from './login-page'
import type { Parts } from './parts'
import { bodyOf, queryOf, Refusal, singleParameters } from './wire'
import type { Parameters, Reply } from './wire'

interface AuthorizationRequest {
  client: RegisteredClient
  redirectURI: string
  parameters: Parameters
  granted: readonly string[]
  /** Redirects the browser with this response. */
  respond: (status: 302 | 303, answer: Record<string, string>) => Reply
}

/** `GET /oauth/authorize`: the page, or at once the consent of the user named by `autoApprove`. */
export function showAuthorize(parts: Parts, req: Request): Reply {
  const request = readRequest(parts, req)
  const user = req.get(userHeader)
  if (user !== undefined) requireMember(parts, decodeURIComponent(user))
  if (parts.settings.autoApprove !== undefined) return allow(parts, request, parts.settings.autoApprove)
  return loginPage({
    clientID: request.client.clientID,
    accounts: parts.accounts,
    requested: (request.parameters.get('scope') ?? '').split(/\s+/).filter(Boolean),
    granted: request.granted,
    // The form posts to the address it was shown at: nothing is kept between, so every click stands by itself.
    action: req.originalUrl,
    redirectURI: request.redirectURI,
    // As at PagerDuty, where who is logged in there need not choose: a step-up is for the same user.
    lastUser: /(?:^|; )simulator-user=(\w+)/.exec(req.headers.cookie ?? '')?.[1],
  })
}

/** `POST /oauth/authorize`: what the user decided on the page. */
export function decideAuthorize(parts: Parts, req: Request): Reply {
  const request = readRequest(parts, req)
  const form = new URLSearchParams(bodyOf(req))
  const decision = form.get('decision')
  if (decision === 'allow') return allow(parts, request, form.get('user') ?? undefined, req.originalUrl)
  if (decision !== 'deny') throw new Refusal(refusalPage('The decision is neither "allow" nor "deny".'))
  return request.respond(303, {
    error: 'access_denied',
    error_description: 'The resource owner or authorization server denied the request.',
  })
}

/** @param page where the user was chosen; undefined where the setting `autoApprove` has done that */
function allow(
  parts: Parts,
  request: AuthorizationRequest,
  userID: string | undefined,
  page?: string,
): Reply {
  const member = requireMember(parts, userID, page)
  if (!serves(request.client, member.account)) {
    const { clientID, account } = request.client
    const problem =
      `${clientID} is registered in the account ${account}: a user of ${member.account.subdomain} cannot log in. ` +
      `Log in as a user of ${account}, or register it as a Classic app, which all users may log in to: appType: 'classic', or simulate --app-type classic.`
    throw new Refusal(refusalPage(problem, page))
  }
  const delegation = parts.grants.delegate({
    ...member,
    clientID: request.client.clientID,
    appType: request.client.appType,
    scope: request.granted,
    nonce: request.parameters.get('nonce'),
  })
  const challenge = request.parameters.get('code_challenge')
  const code = parts.grants.issueCode(delegation, request.redirectURI, challenge)
  if (page === undefined) return request.respond(302, { code })
  const { headers, ...reply } = request.respond(303, { code })
  const cookie = `simulator-user=${member.user.id}; Path=/; HttpOnly; SameSite=Lax`
  return { ...reply, headers: { ...headers, 'Set-Cookie': cookie } }
}

function requireMember(parts: Parts, userID: string | undefined, page?: string): Member {
  const member = findMember(parts.accounts, userID)
  if (!member) throw new Refusal(refusalPage(`There is no user "${userID ?? ''}" at this simulator.`, page))
  return member
}

function readRequest(parts: Parts, req: Request): AuthorizationRequest {
  const { parameters, repeated } = singleParameters(queryOf(req))
  const client = parts.clients.get(parameters.get('client_id') ?? '')
  if (!client || repeated === 'client_id')
    throw new Refusal(refusalPage('The client_id is missing or unknown.'))
  const redirectURI = parameters.get('redirect_uri') ?? ''
  if (repeated === 'redirect_uri' || !acceptsRedirect(client, redirectURI)) {
    const problem =
      `The redirect_uri "${redirectURI}" is not one of the app: ${allowedRedirects(client)}. ` +
      'Set callbackURL (PAGERDUTY_CALLBACK_URL) to one of these, or clients[].redirectURIs of startPagerDuty() to this one.'
    throw new Refusal(refusalPage(problem))
  }

  const respond: AuthorizationRequest['respond'] = (status, answer) => {
    const target = new URL(redirectURI)
    for (const [name, value] of Object.entries(answer)) target.searchParams.set(name, value)
    const state = parameters.get('state')
    if (state !== undefined) target.searchParams.set('state', state)
    return { status, headers: { Location: target.href }, body: '' }
  }
  const problem =
    repeated === undefined ? faultIn(parameters, client) : `The parameter ${repeated} occurs more than once`
  if (problem !== undefined) {
    const error = parameters.get('response_type') === 'code' ? 'invalid_request' : 'unsupported_response_type'
    throw new Refusal(respond(302, { error, error_description: problem }))
  }
  const granted = ['openid', ...narrowScope(client, parameters.get('scope') ?? '')]
  return { client, redirectURI, parameters, granted: [...new Set(granted)], respond }
}

function faultIn(parameters: Parameters, client: RegisteredClient): string | undefined {
  if (parameters.get('response_type') !== 'code') return 'The response_type has to be code'
  const challenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  if (challenge === undefined) {
    return needsPKCE(client) || method !== undefined ? 'A code_challenge is required (PKCE)' : undefined
  }
  if (method !== 'S256') return 'The code_challenge_method has to be S256'
  return /^[\w-]{43}$/.test(challenge) ? undefined : 'The code_challenge has to be 43 characters of base64url'
}
