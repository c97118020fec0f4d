import type { Request } from 'express'
import { AuthorizationResponseError, ConfigurationError } from '../errors'
import { decided } from './decision'
import type { LoginParts } from './login-attempt'
import type { Login, Profile, VerifyResult } from './verify'

const mostUserBytes = 4096

/** Asks `verify`, and takes a false user for a refusal. The app gets a copy of the user: it may write on it. */
export async function callVerify(parts: LoginParts, req: Request, finished: Login): Promise<VerifyResult> {
  const provider = parts.grants.client.name
  const login = { ...finished, user: { ...finished.user } }
  const { id, accountID } = login.user
  const loadProfile = async (): Promise<Profile> => ({
    provider,
    ...login.user,
    ...(await parts.loadProfile(login.tokens.accessToken)),
    // Signed, unlike what a profile says.
    id,
    accountID,
  })
  const verified = await decided('verify', parts.verify(login, req, loadProfile))
  if (verified.user) return verified
  throw new LoginRefusal(verified.info)
}

/** The app's own refusal, with what it said about it. */
export class LoginRefusal extends AuthorizationResponseError {
  override name = 'LoginRefusal'
  readonly info: object | undefined

  constructor(info: object | undefined) {
    super('This app does not let you in', { code: 'ERR_PAGERDUTY_LOGIN_REFUSED', status: 403 })
    this.info = info
  }
}

/** The app's user as it will come back from the store with each request; undefined where it is just who PagerDuty says. */
export function appUserOf(user: unknown, identity: unknown): unknown {
  const text = JSON.stringify(user) as string | undefined
  if (text === JSON.stringify(identity)) return undefined
  if (text !== undefined && text.length <= mostUserBytes) return JSON.parse(text) as unknown
  throw new ConfigurationError(
    'verify',
    `must return a user of at most ${mostUserBytes} bytes as JSON`,
    'Return just what identifies the user, such as { id }, and load the rest where it is needed.',
  )
}
