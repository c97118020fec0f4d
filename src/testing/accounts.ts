import { anything, requireEach, unique } from './rules'

/** A user of an account, as the REST API shows them. */
export interface AccountUser {
  id: string
  name: string
  email: string
  role: string
}

/** A PagerDuty account with the users who can log in to it. */
export interface Account {
  id: string
  name: string
  subdomain: string
  region: 'us' | 'eu'
  users: readonly AccountUser[]
}

/** @internal A user together with the account they belong to. */
export interface Member {
  user: AccountUser
  account: Account
}

/** The accounts that a simulator has unless it is given others: `acme` in the US region, `globex` in the EU region. */
export const defaultAccounts: readonly Account[] = [
  {
    id: 'PACME00',
    name: 'Acme',
    subdomain: 'acme',
    region: 'us',
    users: [
      { id: 'PACME01', name: 'Ada Okafor', email: 'ada@acme.example', role: 'owner' },
      { id: 'PACME02', name: 'Ben Ruiz', email: 'ben@acme.example', role: 'user' },
    ],
  },
  {
    id: 'PGLBX00',
    name: 'Globex',
    subdomain: 'globex',
    region: 'eu',
    users: [
      { id: 'PGLBX01', name: 'Greta Lindqvist', email: 'greta@globex.example', role: 'admin' },
      { id: 'PGLBX02', name: 'Hugo Marchetti', email: 'hugo@globex.example', role: 'limited_user' },
    ],
  },
]

/** @internal */
export function requireAccounts(accounts: readonly Account[]): void {
  const [id, subdomain] = [unique(accounts, 'id'), unique(accounts, 'subdomain')]
  const rules = { id, name: 'a string', subdomain, region: "'us' or 'eu'", users: anything }
  requireEach('accounts', accounts, rules)
  const userID = unique(
    accounts.flatMap(({ users }) => users),
    'id',
  )
  for (const [index, { users }] of accounts.entries())
    requireEach(
      `accounts[${index}].users`,
      users,
      { id: userID, name: 'a string', email: 'a string', role: 'a string' },
      0,
    )
}

/** @internal */
export function findMember(accounts: readonly Account[], userID: string | undefined): Member | undefined {
  for (const account of accounts) {
    const user = account.users.find(({ id }) => id === userID)
    if (user) return { user, account }
  }
  return undefined
}

/** @internal */
export function accountScope({ region, subdomain }: Account): string {
  return `as_account-${region}.${subdomain}`
}

/** @internal The REST host that PagerDuty writes into a token's audience, whatever port the simulator listens on. */
export function regionalAPI({ region }: Account): string {
  return region === 'eu' ? 'https://api.eu.pagerduty.com' : 'https://api.pagerduty.com'
}
