import type { Request } from 'express'
import { ConfigurationError } from '../errors/errors'
import { AuthorizationResponseError } from '../errors/pagerduty-errors'
import type { LoginParts } from './login-attempt'
import { bearerFetch } from '../oauth/bearer-fetch'
import { type FinishedLogin, type Profile, type VerifyResult, decided } from './verify'

const mostUserBytes = 4096

/** Calls `verify`; a false user denies the login. The app gets a copy of the user, because it may change it. */
export async function callVerify(
  parts: LoginParts,
  req: Request,
  finished: FinishedLogin,
): Promise<VerifyResult> {
  const { rateLimits, client } = parts.grants
  const { name: provider, fetch } = client
  const { user, tokens } = finished
  const ofLogin = {
    apiURL: user.apiURL,
    mcpURL: client.mcpURLFor(user.apiURL),
    owner: { token: 'user', user } as const,
    token: () => tokens.accessToken,
    markRejected: () => undefined,
  }
  const login = { ...finished, user: { ...user }, fetch: bearerFetch(fetch, ofLogin, rateLimits) }
  const { id, accountID } = login.user
  const loadProfile = async (): Promise<Profile> => ({
    provider,
    ...login.user,
    ...(await parts.loadProfile(login.tokens.accessToken)),
    // These are signed; the profile is not.
    id,
    accountID,
  })
  const verified = await decided('verify', parts.verify(login, req, loadProfile))
  if (verified.user) return verified
  throw new LoginRefusal(verified)
}

/** `verify` denied the login; `info` is what it gave as the reason. */
export class LoginRefusal extends AuthorizationResponseError {
  override name = 'LoginRefusal'
  readonly info: object | undefined

  constructor({ user, info }: Partial<VerifyResult>) {
    super('This app does not let you in', {
      code: 'ERR_PAGERDUTY_LOGIN_REFUSED',
      status: 403,
      hint:
        user === undefined
          ? 'The option "verify" returned nothing, which denies the login: return the user.'
          : 'The option "verify" denied the login: it returned no user.',
    })
    this.info = info
  }
}

/** The app's user as the store will return it, after a round trip as JSON; undefined where `verify` returned PagerDuty's. */
export function appUserOf(user: unknown, identity: unknown): unknown {
  const json = JSON.stringify(user) as string | undefined
  if (json === JSON.stringify(identity)) return undefined
  if (json !== undefined && json.length <= mostUserBytes) return JSON.parse(json) as unknown
  throw new ConfigurationError(
    'verify',
    `must return a user of at most ${mostUserBytes} bytes as JSON`,
    'Return just what identifies the user, such as { id }, and load the rest where it is needed.',
  )
}
