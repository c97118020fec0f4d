import { createHash } from 'node:crypto'
import type { Account, LiveGrant, StandIn } from '../testing'
import { faults } from './control-actions'
import { style } from './control-style'
import { type Markup, html, trusted } from '../http/html'

/** Keeps the counts and grants new while the page is looked at; without it the page shows them as they were. */
const script = `
setInterval(async () => {
  if (document.hidden) return
  const answer = await fetch(location.href).catch(() => undefined)
  if (!answer?.ok) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
  for (const id of ['grants', 'calls']) document.getElementById(id).replaceWith(fresh.getElementById(id))
}, 2000)
`

/** The page loads nothing but itself, and posts nowhere else. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  'img-src data:',
  `style-src ${hashOf(style)}`,
  `script-src ${hashOf(script)}`,
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** What the page shows besides the stand-in itself. */
export interface ControlState {
  accounts: readonly Account[]
  /** Where webhooks went last, or may go. */
  webhookURL: string
  /** What the last button did. */
  said: string | undefined
}

/** The page that shows what the stand-in sees, and lets it misbehave. */
export function controlPage(standIn: StandIn, { accounts, webhookURL, said }: ControlState): string {
  const { settings } = standIn
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <title>Control page · PagerDuty stand-in</title>
        ${trusted(`<style>${style}</style>`)}
      </head>
      <body>
        <main>
          <h1>PagerDuty stand-in</h1>
          <p class="soft">
            At <code>${standIn.url}</code>, for development. It is <strong>not PagerDuty</strong>.
          </p>
          ${said !== undefined && html`<p class="notice" role="status">${said}</p>`}
          <div class="columns">
            <div class="column">
              <section>
                <h2>Who is logged in</h2>
                ${grantList(standIn.liveGrants(), settings.now())}
                <form class="row" method="post">
                  <button name="do" value="expire">Expire access tokens</button>
                  <button name="do" value="revoke" class="stop">Revoke all</button>
                  <button name="do" value="rotate">Rotate signing keys</button>
                </form>
              </section>
              <section>
                <h2>Calls</h2>
                ${callList(standIn)}
                <form method="post"><button name="do" value="reset">Count anew</button></form>
              </section>
            </div>
            <div class="column">
              <section>
                <h2>The next token calls</h2>
                <form class="row" method="post">
                  <label class="wide"
                    >fail with<select name="fault">
                      ${Object.entries(faults).map(([value, label]) => option(value, label))}
                    </select></label
                  >
                  <label
                    >how often<input name="times" type="number" min="1" max="100" value="1" required
                  /></label>
                  <button name="do" value="fail" class="stop">Let them fail</button>
                  <button name="do" value="clear">Never mind</button>
                </form>
              </section>
              <section>
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
              </section>
              <section>
                <h2>People</h2>
                <ul>
                  ${accounts.flatMap(({ users, subdomain, region }) =>
                    users.map(
                      ({ id, name, role }) =>
                        html`<li>
                          ${name}
                          <small
                            ><code>${id}</code>, ${subdomain}, ${region.toUpperCase()} region, ${role}</small
                          >
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
              </section>
              <section>
                <h2>Send a webhook</h2>
                <form class="row" method="post">
                  <label class="whole"
                    >to<input name="url" type="url" value="${webhookURL}" required
                  /></label>
                  <label
                    >event<select name="event">
                      ${['incident.triggered', 'incident.acknowledged', 'incident.resolved', 'incident.annotated', 'service.updated', 'pagey.ping'].map((type) => option(type, type))}
                    </select></label
                  >
                  <button name="do" value="webhook" class="go">Send</button>
                </form>
                <p class="soft">Signed with the PAGERDUTY_WEBHOOK_SECRET that was printed.</p>
              </section>
            </div>
          </div>
        </main>
        ${trusted(`<script>${script}</script>`)}
      </body>
    </html>`.text
}

function grantList(grants: readonly LiveGrant[], now: number): Markup {
  if (grants.length === 0) return html`<p id="grants" class="soft">Nobody: there is no live grant.</p>`
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

function callList({ calls, reuses }: StandIn): Markup {
  const { token, ...others } = calls
  const rows = [
    ['logins begun', others.authorize],
    ['codes redeemed', token.authorization_code],
    ['refreshes', token.refresh_token],
    ['app tokens', token.client_credentials],
    ['other token calls', token.other],
    ['revocations', others.revoke],
    ['signing keys', others.jwks],
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

function option(value: string, label: string, isSelected = false): Markup {
  return html`<option value="${value}" ${isSelected && html`selected`}>${label}</option>`
}

function end(until: number | undefined, now: number): string {
  if (until === undefined) return 'has ended'
  const minutes = Math.ceil((until - now) / 60_000)
  if (minutes < 120) return `ends in ${minutes} min`
  return minutes < 72 * 60
    ? `ends in ${Math.round(minutes / 60)} h`
    : `ends in ${Math.round(minutes / 1440)} days`
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
