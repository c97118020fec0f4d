import type { Request, Response } from 'express'
import { type Markup, html } from './html'
import type { AppUser } from './pagerduty-api'
import { nonceOf } from './security'
import { sessionWarning } from './session-warning'

/** What every page is made of. */
export interface Page {
  title: string
  content: Markup
  status?: number
}

/** Sends a page in the frame that all of them share. */
export function sendPage(req: Request, res: Response, { title, content, status = 200 }: Page): void {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · passport-pagerduty example</title>
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
      </head>
      <body>
        <header>
          <div class="bar">
            <a class="brand" href="/"
              ><img src="/icon.svg" alt="" width="24" height="24" /><span>example-app</span></a
            >
            ${req.pagerduty.user && navigation(req)}
          </div>
        </header>
        ${req.pagerduty.user && sessionWarning(req, nonceOf(res))}
        <main>${content}</main>
        <footer>
          <p>An example of <strong>passport-pagerduty</strong>. Not made or endorsed by PagerDuty, Inc.</p>
        </footer>
      </body>
    </html> `
  res.status(status).set('Cache-Control', 'no-store').type('html').send(page.text)
}

function navigation(req: Request): Markup {
  const { id, name = `User ${id}` } = req.user as AppUser
  const link = (path: string, label: string, testID: string) =>
    html`<a href="${path}" data-testid="${testID}" ${req.path === path && html`aria-current="page"`}
      >${label}</a
    >`
  return html`<nav aria-label="Pages">
      ${link('/', 'You', 'nav-home')}${link('/incidents', 'Incidents', 'nav-incidents')}${link('/webhooks', 'Webhooks', 'nav-webhooks')}${link('/scopes', 'Scopes', 'nav-scopes')}${link('/events', 'Events', 'nav-events')}
    </nav>
    <form class="who" method="post" action="/auth/pagerduty/logout">
      <span data-testid="user-name">${name}</span>
      <button class="quiet" data-testid="logout">Log out</button>
    </form>`
}

/** Says what is wrong, in the page. */
export function notice(text: string): Markup {
  return html`<p class="notice" role="status">${text}</p>`
}

/** Says that there is nothing to show, and what would change that. */
export function empty(text: string): Markup {
  return html`<p class="empty">${text}</p>`
}

/** A table that turns into cards on a phone; the roles keep it a table for screen readers all the same. */
export function table(testID: string, columns: readonly string[], rows: readonly Markup[]): Markup {
  return html`<table class="list" role="table" data-testid="${testID}">
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((name) => html`<th scope="col" role="columnheader">${name}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows}
    </tbody>
  </table>`
}
