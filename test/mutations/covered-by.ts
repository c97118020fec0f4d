/** The files that are mutated, the most important first, and tests in test/ that know each well and are quick. */
export const coveredBy: Readonly<Record<string, readonly string[]>> = {
  'store/encryption': ['store/encryption'],
  'oauth/id-token': ['oauth/id-token', 'oauth/jwks', 'fuzz/id-token'],
  'oauth/jwks': ['oauth/jwks'],
  'webhooks/signature': ['webhooks/signature', 'fuzz/webhook-signature'],
  'webhooks/secrets': ['webhooks/secrets'],
  'webhooks/verification': ['webhooks/verification'],
  'webhooks/raw-body': ['webhooks/raw-body', 'webhooks/receiver'],
  'oauth/authorization-response': ['oauth/authorization-response', 'fuzz/callback-query'],
  'http/request-url': ['http/request-url', 'oauth/authorization-response', 'login/several-origins'],
  'http/same-origin': ['guards/same-origin', 'login/several-origins'],
  'oauth/require-url': ['oauth/client', 'login/several-origins'],
  'login/state-store': ['login/state-store'],
  'login/login-transaction': ['login/state-store', 'login/login-transaction'],
  'scopes/scope': ['scopes/scope', 'oauth/client', 'fuzz/scopes'],
  'scopes/operations': ['scopes/catalogue', 'guards/operation-guards'],
  'oauth/token-set': ['oauth/token-set', 'fuzz/token-response', 'oauth/token-endpoint'],
  'oauth/token-endpoint': ['oauth/token-endpoint', 'observability/opentelemetry'],
  'http/bounded-fetch': ['oauth/token-endpoint'],
  'oauth/bearer-fetch': ['oauth/bearer-fetch'],
  'guards/scope-requirement': ['guards/require-scopes', 'guards/operation-guards'],
  'guards/require-scopes': ['guards/require-scopes', 'guards/guards', 'guards/operation-guards'],
  'guards/denial': ['guards/denial', 'guards/error-pages', 'login/step-up'],
  'grants/grant-record': ['grants/grant-record', 'scopes/scope-groups', 'fuzz/grant-records'],
  'grants/grant-repository': ['grants/grant-repository', 'fuzz/grant-records'],
  'grants/decrypted-grant-cache': ['grants/decrypted-grant-cache', 'grants/grant-repository'],
  'store/lease': ['store/lease'],
  'sessions/session-storage': ['sessions/session-storage'],
  'sessions/session': ['sessions/session'],
  'oauth/client': ['oauth/client'],
}

/** Tests that cannot pass among mutants, by their names. */
export const leftOut: readonly string[] = [
  // Stryker writes comments into the sources.
  'is what its table makes',
  // The runner's own timers are counted with ours.
  'a slow endpoint leaves no timer behind when it answers',
]
