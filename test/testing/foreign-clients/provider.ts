import { createHash } from 'node:crypto'
import type { Simulator } from '../../../src/testing'

/** What these clients need to know, by PagerDuty's documentation: its discovery document names an issuer of another host. */
export function provider(simulator: Simulator) {
  return {
    issuer: 'https://app.pagerduty.com/global/oauth/anonymous',
    authorization_endpoint: `${simulator.url}/oauth/authorize`,
    token_endpoint: `${simulator.url}/oauth/token`,
    revocation_endpoint: `${simulator.url}/oauth/revoke`,
    jwks_uri: `${simulator.url}/global/oauth/anonymous/jwks`,
  }
}

export const redirectURI = 'https://localhost:3443/callback'
export const scope = 'incidents.read users.read'
export const appScope = 'as_account-us.acme incidents.read'
export const verifier = 'f'.repeat(43)
export const challenge = createHash('sha256').update(verifier).digest('base64url')
