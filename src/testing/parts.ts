import type { Account } from './accounts'
import type { RegisteredClient } from './clients'
import type { Grants } from './grants'
import type { IDTokenSigner } from './id-token-signer'
import type { AccountData } from './sample-data'
import type { Settings } from './settings'

/** What the endpoints of one simulator share. */
export interface Parts {
  origin: string
  settings: Settings
  accounts: readonly Account[]
  /** What each account has, by its id. */
  data: ReadonlyMap<string, AccountData>
  clients: Map<string, RegisteredClient>
  grants: Grants
  signer: IDTokenSigner
}
