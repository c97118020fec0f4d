import { scopes } from '../../src/scopes/operations'

/** Those of the catalogue, and the one of every login. */
export const allScopes: readonly string[] = ['openid', ...Object.keys(scopes)]

/** Ten scopes that an on-call tool may request. */
export const tenScopes: readonly string[] = (
  'openid incidents.read incidents.write services.read schedules.read oncalls.read ' +
  'escalation_policies.read users.read teams.read priorities.read'
).split(' ')
