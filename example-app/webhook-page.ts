import type { Delivery, DeliveryLog } from './delivery-log'
import { type Markup, html } from './html'
import { live } from './live'

/** Deliveries that the stand-in can be made to send. */
export const kinds = {
  'incident.triggered': 'Incident triggered',
  'incident.acknowledged': 'Incident acknowledged',
  'incident.resolved': 'Incident resolved',
  'pagey.ping': 'Test delivery',
  forged: 'A forged one',
  duplicate: 'The last one again',
} as const

const outcomes: Record<Delivery['outcome'], string> = {
  handled: 'signed, handled',
  duplicate: 'signed, handled before',
  inProgress: 'signed, being handled',
  ignored: 'signed, nothing to do',
  expired: 'signed, too old',
  rejected: 'not PagerDuty’s',
  failed: 'signed, the handler failed',
}

/** The page that shows deliveries as they come in. */
export function webhookPage(
  log: DeliveryLog,
  { canSend, url, nonce }: { canSend: boolean; url: string; nonce: string },
): Markup {
  return html`<h1>Webhooks</h1>
    <p class="lead">Each delivery is checked, handled once, and answered in time.</p>
    <div class="columns">${canSend ? sendCard() : addressCard(url)} ${tokenCard(log)}</div>
    <table class="list" role="table" data-testid="deliveries">
      <thead role="rowgroup">
        <tr role="row">
          ${['Time', 'Event', 'Outcome', 'Answer', 'What the app did'].map(
            (name) => html`<th scope="col" role="columnheader">${name}</th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup" id="rows" aria-live="polite">
        ${log.deliveries.map(deliveryRow)}
      </tbody>
    </table>
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
    <h2>Let PagerDuty send something</h2>
    <form class="buttons" method="post" action="/webhooks/send">
      ${Object.entries(kinds).map(
        ([kind, label]) =>
          html`<button name="kind" value="${kind}" data-testid="send-${kind}">${label}</button>`,
      )}
    </form>
    <p class="small">The stand-in signs and sends them as PagerDuty would.</p>
  </section>`
}

function addressCard(url: string): Markup {
  return html`<section class="card">
    <h2>Where PagerDuty sends them</h2>
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
    ${held.length === 0 && html`<p>None yet: one is requested when it is first needed.</p>`}
    <dl>
      ${held.map(
        ({ account, scope, at, expiresAt }) =>
          html`<dt>${account}</dt>
            <dd>
              <code>${scope.join(' ')}</code><br />${Math.floor((now - at) / 60_000)} min old, good for
              ${Math.floor((expiresAt - now) / 3_600_000)} h
            </dd>`,
      )}
      <dt>Token requests saved</dt>
      <dd data-testid="requests-saved">${Math.max(uses - tokens.length, 0)} of ${uses}</dd>
    </dl>
  </section>`
}
