import { Background } from './async/background'
import { Client } from './oauth/client'
import type { ClientOptions } from './oauth/client-options'
import { Events } from './observability/events'
import { type CheckedStore, checkedTokenStore } from './store/checked-token-store'
import type { KeyRing } from './store/encryption'
import { RateLimits } from './oauth/rate-limits'
import { MemoryTokenStore } from './store/memory-token-store'
import { type StoreOptions, requireStoreTypes, resolveSecret } from './store/store-options'

/** What the components of an instance share. A component that is used alone has its own. */
export interface Context {
  readonly client: Client
  readonly store: CheckedStore
  readonly keys: KeyRing
  readonly events: Events
  readonly background: Background
  readonly rateLimits: RateLimits
}

/** @throws {ConfigurationError} */
export function createContext(options: ClientOptions & StoreOptions, given?: Events): Context {
  requireStoreTypes(options)
  const client = new Client(options)
  const events = given ?? new Events(client.name)
  return {
    client,
    store: checkedTokenStore(options.tokenStore ?? new MemoryTokenStore()),
    keys: resolveSecret(options),
    events,
    background: new Background(options.waitUntil),
    rateLimits: new RateLimits(events),
  }
}
