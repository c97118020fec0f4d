import { createHash, randomBytes } from 'node:crypto'
import { isNumber, isOptionalText, isText, listOf, parseJSON } from '../store/decode'
import { packScopes, unpackScopes } from './scope-set'

/** A login that was begun in this browser and has not come back yet. */
export interface PendingLogin {
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

/** As much of a login as others of its browser know. */
export type OtherLogin = Pick<PendingLogin, 'grantID' | 'startedAt'>

/** Values that nobody can guess, for a login that begins. */
export function newPendingValues(): Pick<PendingLogin, 'grantID' | 'startedAt'> {
  return { grantID: randomBytes(18).toString('base64url'), startedAt: Date.now() }
}

/**
 * The `state` parameter of a login (RFC 6749 section 10.12). It is derived from the id of the grant, which is random and
 * secret until the login is finished. So a callback can read all pending logins of its browser, not just its own.
 */
export function stateOf({ grantID }: Pick<PendingLogin, 'grantID'>): string {
  return createHash('sha256').update(`state ${grantID}`).digest('base64url').slice(0, 32)
}

/** The nonce of a login (OpenID Connect Core 3.1.2.1): derived, so that the cookie need not carry it. */
export function nonceOf({ grantID }: Pick<PendingLogin, 'grantID'>): string {
  return createHash('sha256').update(`nonce ${grantID}`).digest('base64url').slice(0, 22)
}

/** Whether a login began after another one of its browser. The order is total, and the same in every process. */
export function isLater(login: OtherLogin, other: OtherLogin): boolean {
  if (login.startedAt !== other.startedAt) return login.startedAt > other.startedAt
  return login.grantID > other.grantID
}

/** As text, for sealing. It has to be short: it ends in a cookie. */
export function encodePendingLogin(login: PendingLogin): string {
  const { grantID, startedAt, codeVerifier, returnTo, scope, isRestarted, isStepUp, appState } = login
  const flags = (isRestarted ? 1 : 0) + (isStepUp ? 2 : 0)
  const members = [grantID, startedAt.toString(36), codeVerifier, returnTo, scope && packScopes(scope), flags]
  return JSON.stringify(appState === undefined ? members : [...members, appState])
}

/** The login again; undefined where another version wrote the text. */
export function decodePendingLogin(text: string): PendingLogin | undefined {
  const members = listOf(parseJSON(text)) ?? []
  const [grantID, begun, codeVerifier, returnTo, packed, flags, appState] = members
  if (!isText(grantID) || !isText(begun) || !isNumber(flags)) return undefined
  if (!isOptionalText(codeVerifier) || !isOptionalText(returnTo) || !isOptionalText(packed)) return undefined
  const startedAt = parseInt(begun, 36)
  const scope = packed === undefined ? undefined : unpackScopes(packed)
  if (Number.isNaN(startedAt) || (packed !== undefined && scope === undefined)) return undefined
  return {
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
