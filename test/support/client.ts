import { Client } from '../../src/oauth/client'
import type { ClientOptions } from '../../src/oauth/client-options'

/** A client with what is required, where a test does not say otherwise. */
export function clientOf(options: Partial<ClientOptions> = {}): Client {
  return new Client({
    clientID: 'the-client',
    clientSecret: 'the-secret',
    callbackURL: 'https://app.example/callback',
    scope: 'openid',
    ...options,
  })
}
