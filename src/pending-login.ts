import { createHash, randomBytes } from 'node:crypto'

/** A login that was begun in this browser and has not come back yet. */
export interface PendingLogin {
  /** The `state` parameter (RFC 6749 section 10.12). */
  readonly state: string
  /** RFC 7636 section 4.1; undefined only where PKCE was switched off. */
  readonly codeVerifier: string | undefined
  /** The id that the grant will have. */
  readonly grantID: string
  readonly startedAt: number
  /** Where in the app to go on: path and query. */
  readonly returnTo: string | undefined
  /** The scopes asked for, where they differ from the client's. */
  readonly scope: readonly string[] | undefined
  /** It has been begun anew already, because it came back too late. */
  readonly isRestarted: boolean
  /** The grant that this login is to widen, where it was begun by somebody logged in. */
  readonly stepUpOf: string | undefined
  /** The app's own state object (passport-oauth2's `state` option). */
  readonly appState: unknown
}

/** Values that nobody can guess, for a login that begins. */
export function newPendingValues(): Pick<PendingLogin, 'state' | 'grantID' | 'startedAt'> {
  return {
    state: randomBytes(24).toString('base64url'),
    grantID: randomBytes(18).toString('base64url'),
    startedAt: Date.now(),
  }
}

/** The nonce of a login (OpenID Connect Core 3.1.2.1): derived, so that the cookie need not carry it. */
export function nonceOf(login: Pick<PendingLogin, 'grantID'>): string {
  return createHash('sha256').update(`nonce ${login.grantID}`).digest('base64url').slice(0, 22)
}

/** As text, for sealing; the state itself is what the text is bound to. */
export function encodePendingLogin(login: PendingLogin): string {
  const { grantID, startedAt, codeVerifier, returnTo, scope, isRestarted, appState, stepUpOf } = login
  return JSON.stringify([
    grantID,
    startedAt,
    codeVerifier,
    returnTo,
    scope?.join(' '),
    isRestarted ? 1 : 0,
    appState,
    stepUpOf,
  ])
}

/** The login again, from a text that was sealed for this state. */
export function decodePendingLogin(text: string, state: string): PendingLogin {
  const [grantID, startedAt, codeVerifier, returnTo, scope, isRestarted, appState, stepUpOf] = JSON.parse(
    text,
  ) as [
    string,
    number,
    string | null,
    string | null,
    string | null,
    number,
    unknown,
    string | null | undefined,
  ]
  return {
    state,
    grantID,
    startedAt,
    codeVerifier: codeVerifier ?? undefined,
    returnTo: returnTo ?? undefined,
    scope: scope?.split(' '),
    isRestarted: isRestarted === 1,
    appState: appState ?? undefined,
    stepUpOf: stepUpOf ?? undefined,
  }
}
