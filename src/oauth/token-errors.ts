/** RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1. */
export const tokenErrors: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'invalid_scope',
  'unauthorized_client',
  'unsupported_grant_type',
  'unsupported_token_type',
  'access_denied',
  'server_error',
  'temporarily_unavailable',
])

/** What an operator can do, by error code. */
export const hints: ReadonlyMap<string, string> = new Map([
  ['invalid_client', 'Check clientID and clientSecret against the app’s OAuth page at PagerDuty.'],
  ['unauthorized_client', 'Check appType: PagerDuty does not give this app this kind of token.'],
  ['invalid_scope', 'Check the scopes, and account (region and subdomain), against the app at PagerDuty.'],
  [
    'invalid_grant',
    'The code or refresh token was used, revoked or too old, or callbackURL differs from the registered one.',
  ],
])
