import { createHash, randomBytes } from 'node:crypto'
import { isNumber, isOptionalText, isText, listOf, parseJSON } from './json'
import { packScopes, unpackScopes } from './scope-set'

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
  /** Whether it is to widen the grant of somebody who was logged in when it began. */
  readonly isStepUp: boolean
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

/** As text, for sealing; the state itself is what the text is bound to. It has to be short: it ends in a cookie. */
export function encodePendingLogin(login: PendingLogin): string {
  const { grantID, startedAt, codeVerifier, returnTo, scope, isRestarted, isStepUp, appState } = login
  const flags = (isRestarted ? 1 : 0) + (isStepUp ? 2 : 0)
  const members = [grantID, startedAt.toString(36), codeVerifier, returnTo, scope && packScopes(scope), flags]
  return JSON.stringify(appState === undefined ? members : [...members, appState])
}

/** The login again, from a text that was sealed for this state; undefined where another version wrote it. */
export function decodePendingLogin(text: string, state: string): PendingLogin | undefined {
  const members = listOf(parseJSON(text)) ?? []
  const [grantID, begun, codeVerifier, returnTo, packed, flags, appState] = members
  if (!isText(grantID) || !isText(begun) || !isNumber(flags)) return undefined
  if (!isOptionalText(codeVerifier) || !isOptionalText(returnTo) || !isOptionalText(packed)) return undefined
  const startedAt = parseInt(begun, 36)
  const scope = packed === undefined ? undefined : unpackScopes(packed)
  if (Number.isNaN(startedAt) || (packed !== undefined && scope === undefined)) return undefined
  return {
    state,
    grantID,
    startedAt,
    codeVerifier,
    returnTo,
    scope,
    isRestarted: (flags & 1) !== 0,
    isStepUp: (flags & 2) !== 0,
    appState,
  }
}
