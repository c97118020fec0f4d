import type { Account, Simulator } from '../testing'
import { faults } from './control-actions'
import { type Markup, html } from '../http/html'

/** Lets token calls fail. */
export function failures(): Markup {
  return html`<section>
    <h2>The next token calls</h2>
    <form class="row" method="post">
      <label class="wide"
        >fail with<select name="fault">
          ${Object.entries(faults).map(([value, label]) => option(value, label))}
        </select></label
      >
      <label>how often<input name="times" type="number" min="1" max="100" value="1" required /></label>
      <button name="do" value="fail" class="stop">Let them fail</button>
      <button name="do" value="clear">Never mind</button>
    </form>
  </section>`
}

/** Slows responses down. */
export function latencies(settings: Simulator['settings']): Markup {
  return html`<section>
    <h2>Latency</h2>
    <form class="row" method="post">
      <label
        >token endpoint, ms<input
          name="token"
          type="number"
          min="0"
          max="120000"
          value="${settings.tokenLatency}"
          required
      /></label>
      <label
        >REST API, ms<input
          name="api"
          type="number"
          min="0"
          max="120000"
          value="${settings.apiLatency}"
          required
      /></label>
      <button name="do" value="latency">Set</button>
    </form>
  </section>`
}

/** Who there is, and who logs in without being asked. */
export function users(settings: Simulator['settings'], accounts: readonly Account[]): Markup {
  return html`<section>
    <h2>Users</h2>
    <ul>
      ${accounts.flatMap(({ users, subdomain, region }) =>
        users.map(
          ({ id, name, role }) =>
            html`<li>
              ${name}
              <small><code>${id}</code>, ${subdomain}, ${region.toUpperCase()} region, ${role}</small>
            </li>`,
        ),
      )}
    </ul>
    <form class="row" method="post">
      <label
        >Log in as<select name="user">
          ${option('', 'ask each time', settings.autoApprove === undefined)}${accounts.flatMap(({ users }) => users.map(({ id, name }) => option(id, `${name}, at once`, settings.autoApprove === id)))}
        </select></label
      >
      <button name="do" value="approve">Set</button>
    </form>
  </section>`
}

/** Sends a webhook to an app on this machine. */
export function webhook(url: string): Markup {
  return html`<section>
    <h2>Send a webhook</h2>
    <form class="row" method="post">
      <label class="whole">to<input name="url" type="url" value="${url}" required /></label>
      <label
        >event<select name="event">
          ${['incident.triggered', 'incident.acknowledged', 'incident.resolved', 'incident.annotated', 'service.updated', 'pagey.ping'].map((type) => option(type, type))}
        </select></label
      >
      <button name="do" value="webhook" class="go">Send</button>
    </form>
    <p class="soft">Signed with the PAGERDUTY_WEBHOOK_SECRET that was printed.</p>
  </section>`
}

function option(value: string, label: string, isSelected = false): Markup {
  return html`<option value="${value}" ${isSelected && html`selected`}>${label}</option>`
}
