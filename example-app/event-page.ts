import type { Happening } from './event-log'
import { type Markup, html } from './html'
import { table } from './layout'
import { emptyRow, live } from './live'

const columns = ['Time (UTC)', 'Event', 'User', 'Details']

/** Whose logins are called "you". */
export type Viewer = string | undefined

/** The page that shows what happens while it does. */
export function eventPage(happenings: readonly Happening[], viewer: Viewer, nonce: string): Markup {
  return html`<h1>Events</h1>
    <p class="lead">
      What passport-pagerduty reports, as it happens. No event contains a token or another secret.
    </p>
    <section class="card happen">
      <h2>Cause an event</h2>
      <form class="buttons" method="post" action="/refresh">
        <button class="primary" name="from" value="events" data-testid="refresh">Refresh the token</button>
        <a class="button" href="/services">Open a page without the scope for it</a>
        <a class="button" href="/webhooks">Send a webhook</a>
      </form>
    </section>
    ${table('events', columns, happenings.length > 0 ? happenings.map((happening) => eventRow(happening, viewer)) : [emptyRow(columns, 'No events since this app was started. Cause one with a button above.')])}
    ${live('/events/stream', nonce)}`
}

/** One event; also what is sent to pages that are open. Who others are is not the viewer's business. */
export function eventRow({ at, name, text, isTrouble, userKey }: Happening, viewer: Viewer): Markup {
  const time = new Date(at).toISOString()
  const who = userKey === undefined ? '–' : userKey === viewer ? 'you' : 'another user'
  return html`<tr role="row" data-event="${name}">
    <td role="cell"><time datetime="${time}">${time.slice(11, 19)}</time></td>
    <th role="rowheader" scope="row"><span class="${isTrouble ? 'missing' : 'granted'}">${name}</span></th>
    <td role="cell">${who}</td>
    <td role="cell">${text}</td>
  </tr>`
}
