/** How often each part of the simulator was called; a call that was made to fail counts too. */
export interface Calls {
  /** Authorization requests; the decision on the page is not counted again. */
  authorize: number
  /** Calls of the token endpoint, by grant type. */
  token: { authorization_code: number; refresh_token: number; client_credentials: number; other: number }
  revoke: number
  jwks: number
  userinfo: number
  /** Calls of the REST API. */
  api: number
}

/** @internal */
export function noCalls(): Calls {
  return {
    authorize: 0,
    token: { authorization_code: 0, refresh_token: 0, client_credentials: 0, other: 0 },
    revoke: 0,
    jwks: 0,
    userinfo: 0,
    api: 0,
  }
}

/** @internal */
export function countTokenCall(calls: Calls, grantType: string | undefined): void {
  const known =
    grantType === 'authorization_code' || grantType === 'refresh_token' || grantType === 'client_credentials'
  calls.token[known ? grantType : 'other'] += 1
}
