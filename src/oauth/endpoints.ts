import type { Region } from '../user'

/** Where users and apps are authorized; one host for all regions. */
export const identityURL = 'https://identity.pagerduty.com'

/** Paths below {@link identityURL}. Revocation is used by PagerDuty's own apps but not documented. */
export const paths = {
  authorize: '/oauth/authorize',
  token: '/oauth/token',
  revoke: '/oauth/revoke',
  jwks: '/global/oauth/anonymous/jwks',
} as const

/** REST API host of each service region. */
export const apiURLs: Readonly<Record<Region, string>> = {
  us: 'https://api.pagerduty.com',
  eu: 'https://api.eu.pagerduty.com',
}

/** Origin of PagerDuty's remote MCP server beside each of its REST APIs. */
export const mcpURLs: Readonly<Record<string, string>> = {
  [apiURLs.us]: 'https://mcp.pagerduty.com',
  [apiURLs.eu]: 'https://mcp.eu.pagerduty.com',
}

/**
 * Issuers of id_tokens. Real tokens name the `app.` host, PagerDuty's documentation the `identity.` one.
 *
 * @see https://developer.pagerduty.com/docs/pagerduty-openid-token
 */
export const issuers: readonly string[] = [
  'https://app.pagerduty.com/global/oauth/anonymous',
  'https://identity.pagerduty.com/global/oauth/anonymous',
]
