import { type BearerFetch, type TokenSource, bearerFetch } from '../oauth/bearer-fetch'
import type { Grant, UserGrants } from './grants'

/**
 * A `fetch` with the tokens of a grant.
 *
 * @param grant undefined where no user is logged in: `token` says so
 * @param token the access token; another one than the one that the API rejected
 */
export function grantFetch(
  grants: UserGrants,
  grant: Grant | undefined,
  token: TokenSource['token'],
): BearerFetch {
  const { client, rateLimits } = grants
  const { id, record } = grant ?? {}
  const source: TokenSource = {
    apiURL: record?.user.apiURL ?? '',
    mcpURL: record && client.mcpURLFor(record.user.apiURL),
    owner: record && { token: 'user', user: record.user, grantID: id },
    token,
    markRejected() {
      if (id !== undefined) grants.markRejected(id)
      return undefined
    },
  }
  return bearerFetch(client.fetch, source, rateLimits)
}
