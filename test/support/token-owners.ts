import type { TokenOwner } from '../../src/oauth/rate-limits'

export const user = {
  id: 'PUSER01',
  accountID: 'PACCT01',
  subdomain: 'acme',
  delegationID: undefined,
  region: 'us',
  apiURL: 'https://api.pagerduty.com',
} as const

export const userToken = { token: 'user', user, grantID: 'a grant' } as const satisfies TokenOwner
export const appToken = { token: 'app', account: 'us.acme' } as const satisfies TokenOwner
