import type { LiveGrant, Simulator } from '../testing'
import { type Markup, html } from '../http/html'

/** Who is logged in, the newest first. */
export function grantList(grants: readonly LiveGrant[], now: number): Markup {
  if (grants.length === 0) return html`<p id="grants" class="soft">There is no live grant.</p>`
  return html`<ul id="grants">
    ${grants.toReversed().map(
      ({ user, subdomain, clientID, scope, accessUntil, refreshUntil }) =>
        html`<li>
          <div><strong>${user?.name ?? 'The app itself'}</strong><span class="soft">${subdomain}</span></div>
          <small><code>${scope.join(' ')}</code></small>
          <small
            >${clientID}; access token
            ${end(accessUntil, now)}${user && `; refresh token ${end(refreshUntil, now)}`}</small
          >
        </li>`,
    )}
  </ul>`
}

/** How often each part of the simulator was called. */
export function callList({ calls, reuses }: Simulator): Markup {
  const { token, ...others } = calls
  const rows = [
    ['logins begun', others.authorize],
    ['codes redeemed', token.authorization_code],
    ['refreshes', token.refresh_token],
    ['app tokens', token.client_credentials],
    ['other token calls', token.other],
    ['revocations', others.revoke],
    ['JWKS', others.jwks],
    ['user info', others.userinfo],
    ['REST API', others.api],
    ['used refresh tokens that came again', reuses],
  ] as const
  return html`<dl id="calls">
    ${rows.map(
      ([name, count]) =>
        html`<dt>${name}</dt>
          <dd>${count}</dd>`,
    )}
  </dl>`
}

function end(until: number | undefined, now: number): string {
  if (until === undefined) return 'has ended'
  const minutes = Math.ceil((until - now) / 60_000)
  if (minutes < 120) return `ends in ${minutes} min`
  return minutes < 72 * 60
    ? `ends in ${Math.round(minutes / 60)} h`
    : `ends in ${Math.round(minutes / 1440)} days`
}
