import type { UserGrant } from '../src'
import { type Markup, html } from './html'
import { empty, notice, table } from './layout'
import { ago } from './time'

const columns = ['Browser', 'Logged in', 'Last used', 'Action']

/** Where the user is logged in: this browser, then the others, the one used last first. */
export function sessionsPage(grants: readonly UserGrant[], thisID: string, hasEnded: boolean): Markup {
  const others = grants.filter(({ grantID }) => grantID !== thisID)
  others.sort((one, other) => (other.lastUsedAt ?? 0) - (one.lastUsedAt ?? 0))
  const current = grants.filter(({ grantID }) => grantID === thisID)
  return html`<h1>Your sessions</h1>
    <p class="lead">Every browser in which you are logged in here.</p>
    ${hasEnded && notice('Ended. It takes effect at once.')}
    ${table('sessions', columns, [
      ...current.map((grant) => row(grant, html`<span class="granted">This browser</span>`)),
      ...others.map((grant) => row(grant, endButton(grant))),
    ])}
    ${
      others.length === 0
        ? empty('You are logged in nowhere else.')
        : html`<form class="ask" method="post" action="/sessions/end-others">
            <button class="primary">End the others</button>
          </form>`
    }`
}

function row({ label, createdAt = 0, lastUsedAt = 0, isKept }: UserGrant, action: Markup): Markup {
  return html`<tr role="row">
    <th role="rowheader" scope="row">
      ${label ?? 'Unknown browser'} ${isKept && html`<span class="kept">also used by background jobs</span>`}
    </th>
    <td role="cell" data-label="Logged in">${ago(createdAt)}</td>
    <td role="cell" data-label="Last used">${ago(lastUsedAt)}</td>
    <td role="cell" class="action">${action}</td>
  </tr>`
}

function endButton({ grantID, label = 'Unknown browser' }: UserGrant): Markup {
  return html`<form method="post" action="/sessions/end">
    <button class="quiet" name="grantID" value="${grantID}" aria-label="End ${label}">End</button>
  </form>`
}
