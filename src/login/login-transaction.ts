import { createHash, randomBytes } from 'node:crypto'
import { isNumber, isOptionalText, isText, listOf, parseJSON } from '../store/decode'
import { scopes } from '../scopes/operations'
import { passportUserIn } from '../sessions/passport-login'
import { heldIn } from '../sessions/session'

/** A shorter list is kept unchanged, so that processes with another version of the catalogue can read it. */
const longList = 150

const knownScopes = ['openid', 'read', 'write', ...Object.keys(scopes)]
const positions = new Map(knownScopes.map((scope, position) => [scope, position]))
/** In another version of the catalogue a position means another scope. */
const catalogueVersion = createHash('sha256').update(knownScopes.join(' ')).digest('base64url').slice(0, 4)

/** A login that was begun in this browser and whose callback has not arrived yet. */
export interface PendingLogin {
  /** RFC 7636 section 4.1; undefined only where PKCE was switched off. */
  readonly codeVerifier: string | undefined
  /** The id that the grant will have. */
  readonly grantID: string
  readonly startedAt: number
  /** The redirect URI; the code is exchanged with the same one (RFC 6749 section 4.1.3). */
  readonly callbackURL: string
  /** Path and query in the app to return to, or a URL of another origin of it. */
  readonly returnTo: string | undefined
  /** The requested scopes, where they differ from the client's. */
  readonly scope: readonly string[] | undefined
  /** Whether it was restarted once already, because its callback came too late. */
  readonly isRestarted: boolean
  /** Whether it extends the grant of a user who was logged in when it began. */
  readonly isStepUp: boolean
  /** The app's own state object (passport-oauth2's `state` option). */
  readonly appState: unknown
  /** A fingerprint of the user whom other means had logged in when it began: a link is for that user. */
  readonly localUser: string | undefined
}

/** The fingerprint of whom Passport has logged in to a session, unless the instance of this name did. */
export function localUserIn(session: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const user = heldIn(session).login === name ? undefined : passportUserIn(session)
  return user && createHash('sha256').update(user).digest('base64url').slice(0, 12)
}

/** What other logins of the same browser know of a login. */
export type OtherLogin = Pick<PendingLogin, 'grantID' | 'startedAt'>

/** The id and the time of a new login. The id is a secret that cannot be guessed. */
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

/** As a string to be encrypted. Short, because it is kept in a cookie. */
export function encodePendingLogin(login: PendingLogin): string {
  const { grantID, startedAt, codeVerifier, returnTo, scope, isRestarted, isStepUp, appState, localUser } =
    login
  const flags = (isRestarted ? 1 : 0) + (isStepUp ? 2 : 0)
  const members = [grantID, startedAt.toString(36), codeVerifier, returnTo, scope && packScopes(scope), flags]
  const more = localUser === undefined ? [appState].filter((one) => one !== undefined) : [appState, localUser]
  return JSON.stringify([...members, ...more])
}

/**
 * Undefined where another version wrote the string.
 *
 * @param callbackURL the one that the string was encrypted for
 */
export function decodePendingLogin(text: string, callbackURL: string): PendingLogin | undefined {
  const members = listOf(parseJSON(text)) ?? []
  const [grantID, begun, codeVerifier, returnTo, packed, flags, appState, localUser] = members
  if (!isText(grantID) || !isText(begun) || !isNumber(flags)) return undefined
  if (!isOptionalText(codeVerifier) || !isOptionalText(returnTo) || !isOptionalText(packed)) return undefined
  if (!isOptionalText(localUser)) return undefined
  const startedAt = parseInt(begun, 36)
  const scope = packed === undefined ? undefined : unpackScopes(packed)
  if (Number.isNaN(startedAt) || (packed !== undefined && scope === undefined)) return undefined
  return {
    grantID,
    startedAt,
    callbackURL,
    codeVerifier,
    returnTo,
    scope,
    isRestarted: (flags & 1) !== 0,
    isStepUp: (flags & 2) !== 0,
    appState,
    localUser,
  }
}

/** A set of scopes as a string that is short even for all of PagerDuty's: one bit for each known scope. */
export function packScopes(list: readonly string[]): string {
  const text = list.join(' ')
  if (text.length < longList) return text
  const bits = Buffer.alloc(Math.ceil(knownScopes.length / 8))
  const others = list.filter((scope) => {
    const position = positions.get(scope)
    if (position === undefined) return true
    bits[position >> 3] = (bits[position >> 3] ?? 0) | (1 << (position & 7))
    return false
  })
  // A leading space distinguishes it from a plain list: no scope begins with one.
  return ` ${[catalogueVersion + bits.toString('base64url'), ...others].join(' ')}`
}

/** The scopes in the catalogue's order; undefined where another version of the catalogue packed them. */
export function unpackScopes(text: string): readonly string[] | undefined {
  if (!text.startsWith(' ')) return text.split(' ')
  const [packed = '', ...others] = text.slice(1).split(' ')
  if (!packed.startsWith(catalogueVersion)) return undefined
  const bits = Buffer.from(packed.slice(catalogueVersion.length), 'base64url')
  const isIn = (position: number) => ((bits[position >> 3] ?? 0) & (1 << (position & 7))) !== 0
  return [...knownScopes.filter((_scope, position) => isIn(position)), ...others]
}
