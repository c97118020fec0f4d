import { createHash } from 'node:crypto'
import type { Account, Simulator } from '../testing'
import { failures, latencies, users, webhook } from './control-forms'
import { callList, grantList } from './control-lists'
import { style } from './control-style'
import { html, trusted } from '../http/html'

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

/** What the page shows besides the simulator itself. */
export interface ControlState {
  accounts: readonly Account[]
  /** Where webhooks went last, or may go. */
  webhookURL: string
  /** What the last button did. */
  said: string | undefined
}

/** The page that shows what the simulator sees, and lets it misbehave. */
export function controlPage(simulator: Simulator, { accounts, webhookURL, said }: ControlState): string {
  const { settings } = simulator
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <title>Control page · PagerDuty simulator</title>
        ${trusted(`<style>${style}</style>`)}
      </head>
      <body>
        <main>
          <h1>PagerDuty simulator</h1>
          <p class="soft">
            At <code>${simulator.url}</code>, for development. It is <strong>not PagerDuty</strong>.
          </p>
          ${said !== undefined && html`<p class="notice" role="status">${said}</p>`}
          <div class="columns">
            <div class="column">
              <section>
                <h2>Who is logged in</h2>
                ${grantList(simulator.liveGrants(), settings.now())}
                <form class="row" method="post">
                  <button name="do" value="expire">Expire access tokens</button>
                  <button name="do" value="revoke" class="stop">Revoke all</button>
                  <button name="do" value="rotate">Rotate the keys</button>
                </form>
              </section>
              <section>
                <h2>Calls</h2>
                ${callList(simulator)}
                <form method="post"><button name="do" value="reset">Count from zero</button></form>
              </section>
            </div>
            <div class="column">
              ${failures()} ${latencies(settings)} ${users(settings, accounts)} ${webhook(webhookURL)}
            </div>
          </div>
        </main>
        ${trusted(`<script>${script}</script>`)}
      </body>
    </html>`.text
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
