/** The files that are mutated, the most important first, and tests in test/ that know each well and are quick. */
export const coveredBy: Readonly<Record<string, readonly string[]>> = {
  seal: ['seal'],
  'id-token': ['id-token', 'key-set', 'fuzz/id-token'],
  'key-set': ['key-set'],
  'webhook-signature': ['webhook-signature', 'fuzz/webhook-signature'],
  'webhook-secrets': ['webhook-secrets'],
  'webhook-check': ['webhook-check'],
  'raw-body': ['raw-body', 'webhook-receiver'],
  'authorization-response': ['authorization-response', 'fuzz/callback-query'],
  'same-origin-path': ['same-origin-path'],
  'pending-logins': ['pending-logins'],
  'pending-login': ['pending-logins', 'scope-set'],
  scope: ['scope', 'client', 'fuzz/scopes'],
  'scope-set': ['scope-set'],
  'scopes-for': ['scope-catalogue', 'operation-guards'],
  'token-set': ['token-set', 'fuzz/token-response', 'token-endpoint'],
  'token-endpoint': ['token-endpoint', 'telemetry'],
  'bounded-fetch': ['token-endpoint'],
  'bearer-fetch': ['bearer-fetch'],
  'require-scopes': ['require-scopes', 'guards', 'operation-guards'],
  denial: ['denial', 'step-up'],
  'grant-record': ['grant-record', 'scope-groups', 'fuzz/grant-records'],
  'grant-vault': ['grant-vault', 'fuzz/grant-records'],
  'opened-grants': ['opened-grants', 'grant-vault'],
  lock: ['lock'],
  'session-records': ['session-records'],
  'grant-session': ['grant-session'],
  client: ['client'],
}

/** Tests that cannot pass among mutants, by their names. */
export const leftOut: readonly string[] = [
  // Stryker writes comments into the sources.
  'is what its table makes',
  // The runner's own timers are counted with ours.
  'a slow endpoint leaves no timer behind when it answers',
]
