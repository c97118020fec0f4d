import type { Delivery, DeliveryLog } from './delivery-log'
import { type Markup, html } from './html'
import { table } from './layout'
import { emptyRow, live } from './live'

/** Deliveries that the simulator can be made to send. */
export const kinds = {
  'incident.triggered': 'Incident triggered',
  'incident.acknowledged': 'Incident acknowledged',
  'incident.resolved': 'Incident resolved',
  'pagey.ping': 'Test ping',
  forged: 'Forged signature',
  duplicate: 'Last event again',
} as const

const columns = ['Time (UTC)', 'Event', 'Outcome', 'Response', 'What the app did']

const outcomes: Record<Delivery['outcome'], string> = {
  handled: 'handled',
  duplicate: 'handled before',
  inProgress: 'being handled',
  ignored: 'nothing to do',
  expired: 'too old',
  rejected: 'rejected',
  failed: 'failed',
}

/** The page that shows deliveries as they come in. */
export function webhookPage(
  log: DeliveryLog,
  { canSend, url, nonce }: { canSend: boolean; url: string; nonce: string },
): Markup {
  return html`<h1>Webhooks</h1>
    <p class="lead">PagerDuty’s webhooks: each signature is checked, and each event is handled once.</p>
    <div class="columns">${canSend ? sendCard() : addressCard(url)} ${tokenCard(log)}</div>
    ${table('deliveries', columns, log.deliveries.length > 0 ? log.deliveries.map(deliveryRow) : [emptyRow(columns, canSend ? 'No webhooks yet. Send one with a button above.' : 'No webhooks yet. They appear here when PagerDuty sends one.')])}
    ${live('/webhooks/stream', nonce)}`
}

/** One delivery; also what is sent to pages that are open. */
export function deliveryRow(delivery: Delivery): Markup {
  const time = new Date(delivery.at).toISOString()
  return html`<tr role="row" data-outcome="${delivery.outcome}">
    <td role="cell"><time datetime="${time}">${time.slice(11, 19)}</time></td>
    <th role="rowheader" scope="row">${delivery.eventType ?? 'unknown'}</th>
    <td role="cell">
      <span
        class="${delivery.outcome === 'rejected' || delivery.outcome === 'failed' ? 'missing' : 'granted'}"
        >${outcomes[delivery.outcome]}</span
      >
    </td>
    <td role="cell">${delivery.status}</td>
    <td role="cell">${delivery.did ?? '–'}</td>
  </tr>`
}

function sendCard(): Markup {
  return html`<section class="card">
    <h2>Send a webhook</h2>
    <form class="buttons" method="post" action="/webhooks/send">
      ${Object.entries(kinds).map(
        ([kind, label]) =>
          html`<button
            ${kind === 'incident.triggered' && html`class="primary"`}
            name="kind"
            value="${kind}"
            data-testid="send-${kind}"
          >
            ${label}
          </button>`,
      )}
    </form>
    <p class="small">The simulator signs and sends it as PagerDuty would.</p>
  </section>`
}

function addressCard(url: string): Markup {
  return html`<section class="card">
    <h2>Address for PagerDuty</h2>
    <pre tabindex="0"><code>${url}/webhooks/pagerduty</code></pre>
    <p class="small">
      Create a webhook subscription (v3) with this address; its secret is PAGERDUTY_WEBHOOK_SECRET.
    </p>
  </section>`
}

/** The tokens that the app has of its own. */
export function tokenCard({ tokens, uses }: DeliveryLog): Markup {
  const now = Date.now()
  const held = tokens.filter(({ expiresAt }) => expiresAt > now).slice(-5)
  return html`<section class="card" id="app-tokens" data-testid="app-tokens">
    <h2>The app’s own tokens</h2>
    ${uses === 0 && html`<p>None yet. The app requests one when a webhook first makes it call PagerDuty.</p>`}
    <dl>
      ${held.map(
        ({ account, scope, expiresAt }) =>
          html`<dt>${account}</dt>
            <dd><code>${scope.join(' ')}</code><br />expires in ${timeLeft(expiresAt - now)}</dd>`,
      )}
      ${
        uses > 0 &&
        html`<dt>API calls</dt>
          <dd data-testid="api-calls">${uses}</dd>
          <dt>Token requests</dt>
          <dd data-testid="token-requests">${tokens.length}</dd>`
      }
    </dl>
  </section>`
}

function timeLeft(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}
