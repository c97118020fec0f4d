import { scopes } from '../../src/scopes/operations'

/** Those of the catalogue, and the one of every login. */
export const allScopes: readonly string[] = ['openid', ...Object.keys(scopes)]

/** Ten that a tool for people on call may ask for. */
export const tenScopes: readonly string[] = (
  'openid incidents.read incidents.write services.read schedules.read oncalls.read ' +
  'escalation_policies.read users.read teams.read priorities.read'
).split(' ')
