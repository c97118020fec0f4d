import { createHash, randomBytes } from 'node:crypto'
import { type Account, parseAccount } from '../app-tokens/account'
import { type Answer, boundedFetch } from '../http/bounded-fetch'
import type { Client } from '../oauth/client'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import { parseGrantedScope } from '../scopes/scope'
import { requestToken } from '../oauth/token-endpoint'
import { bounds, unreachable } from './check-pagerduty'
import type { Configuration } from './configuration'
import { type Finding, error, note, ok, warning } from './finding'

export const unchecked = [
  note(
    'registration',
    'Whether PagerDuty knows this client ID and callback URL was not checked, because of an error above',
    'Fix that error, and run the doctor again.',
  ),
]

/** What PagerDuty says to the client ID and each callback URL, before anybody logs in. */
export async function checkRegistration({ client, has }: Configuration): Promise<Finding[]> {
  if (!has('clientID') || !has('callbackURL')) return unchecked
  return Promise.all(client.callbackURLs.map((callbackURL) => checkCallbackURL(client, callbackURL)))
}

async function checkCallbackURL(client: Client, callbackURL: string): Promise<Finding> {
  const check = 'registration'
  const url = new URL(client.authorizationURL)
  const challenge = createHash('sha256').update(randomBytes(32)).digest('base64url')
  url.search = new URLSearchParams({
    client_id: client.clientID,
    redirect_uri: callbackURL,
    response_type: 'code',
    scope: client.scope.join(' '),
    state: 'doctor',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }).toString()
  let answer: Answer
  try {
    answer = await boundedFetch(client.fetch, url.href, {}, { ...bounds, showsRedirects: true })
  } catch (failure) {
    return unreachable(check, url.host, failure)
  }
  const { status, headers } = answer
  const location = headers.get('location') ?? ''
  const refused = location.startsWith(callbackURL) && new URL(location).searchParams.get('error')
  if (refused) {
    return error(
      check,
      `PagerDuty rejects logins of this app: ${refused}`,
      'Check PAGERDUTY_APP_TYPE and the scopes against the app at PagerDuty.',
    )
  }
  if (status < 400) return ok(check, `PagerDuty begins a login for this client ID and ${callbackURL}`)
  if (status === 400) {
    return error(
      check,
      `PagerDuty does not know this client ID, or does not have this callback URL for it: ${callbackURL}`,
      'Register the callback URL with the app at PagerDuty exactly as it is here, and check PAGERDUTY_CLIENT_ID.',
    )
  }
  return warning(
    check,
    `PagerDuty responded with ${status} to the start of a login`,
    'Try again later; PagerDuty’s status page may know more.',
  )
}

/** Checks the client secret and the app's scopes with an app token that is never used; without an account only the secret. */
export async function checkCredentials(configuration: Configuration): Promise<Finding[]> {
  const { client, has, options } = configuration
  if (!has('clientID') || !has('clientSecret')) return []
  if (client.appType === 'classic' || !has('account')) return trySecret(configuration)
  const account = parseAccount(options.account)
  const scope = has('scope') ? client.scope.filter((one) => one !== 'openid') : []
  const asked = [account.scope, ...scope]
  try {
    const grant = { grant_type: 'client_credentials', scope: asked.join(' ') }
    const { scope: issued = '' } = await requestToken(client, grant, bounds.timeout)
    return compared(asked, parseGrantedScope(issued), account)
  } catch (failure) {
    return [refusal(failure, account)]
  }
}

/** A refresh token that cannot be: PagerDuty looks at the client before it looks at that. */
async function trySecret({ client, given }: Configuration): Promise<Finding[]> {
  const account =
    client.appType === 'scoped' && given.account === undefined
      ? [
          note(
            'app-token',
            'PAGERDUTY_ACCOUNT is not set, so no app token was requested',
            'Set it, such as us.acme, to use app tokens and to have the scopes checked.',
          ),
        ]
      : []
  try {
    await requestToken(client, { grant_type: 'refresh_token', refresh_token: 'doctor' }, bounds.timeout)
  } catch (failure) {
    if (failure instanceof TokenEndpointError && failure.code === 'invalid_grant')
      return [ok('credentials', 'PagerDuty takes client ID and client secret'), ...account]
    return [refusal(failure), ...account]
  }
  return account
}

function compared(asked: readonly string[], issued: readonly string[], account: Account): Finding[] {
  const missing = asked.filter((scope) => !issued.includes(scope))
  const credentials = ok('credentials', 'PagerDuty takes client ID and client secret')
  if (missing.length > 0) {
    return [
      credentials,
      error(
        'app-token',
        `PagerDuty issued an app token without ${missing.join(' ')}`,
        'Add these scopes to the app at PagerDuty, and check their spelling and case.',
      ),
    ]
  }
  return [credentials, ok('app-token', `PagerDuty issues app tokens for ${account.name}, with all scopes`)]
}

function refusal(failure: unknown, account?: Account): Finding {
  if (!(failure instanceof TokenEndpointError))
    return unreachable('credentials', 'The token endpoint', failure)
  switch (failure.code) {
    case 'invalid_client':
      return error(
        'credentials',
        'PagerDuty rejects client ID and client secret',
        'Copy both again from the app’s OAuth page; a lost secret has to be replaced there.',
      )
    case 'unauthorized_client':
      return error(
        'app-type',
        'PagerDuty gives this app no such token',
        'Check PAGERDUTY_APP_TYPE against the app’s OAuth functionality at PagerDuty.',
      )
    case 'invalid_scope':
    case 'invalid_request':
      return error(
        'app-token',
        `PagerDuty gives no app token for the account ${account?.name}`,
        'Check region and subdomain in PAGERDUTY_ACCOUNT, and that the app is registered in that account.',
      )
    default:
      return error(
        'credentials',
        failure.message,
        failure.hint ?? 'Try again later; PagerDuty’s status page may know more.',
      )
  }
}
