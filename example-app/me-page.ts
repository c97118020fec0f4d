import type { Request } from 'express'
import { type Markup, html } from './html'
import { notice } from './layout'
import type { Answer, Profile } from './pagerduty-api'
import { ago, moment } from './time'

/** The home page of a user who is logged in. */
export function mePage(
  req: Request,
  profile: Answer<Profile>,
  { url, nonce }: { url: string; nonce: string },
): Markup {
  const { user } = req.pagerduty.requireLogin()
  const me = 'data' in profile ? profile.data : undefined
  return html`<h1>${me?.name ?? 'You are logged in'}</h1>
    ${me && html`<p class="lead">${me.email}</p>`} ${'problem' in profile && notice(profile.problem)}
    <div class="columns">
      <section class="card">
        <h2>Who you are</h2>
        <dl>
          ${
            me &&
            html`<dt>Role</dt>
              <dd>${me.role.replaceAll('_', ' ')}</dd>`
          }
          <dt>Account</dt>
          <dd data-testid="account">${user.subdomain ?? user.accountID}</dd>
          <dt>Region</dt>
          <dd data-testid="region">${user.region?.toUpperCase() ?? 'Unknown'}</dd>
          <dt>User id</dt>
          <dd>${user.id}</dd>
          <dt>REST API</dt>
          <dd>${new URL(user.apiURL).host}</dd>
        </dl>
        <p class="small">
          PagerDuty’s signed id_token names account, region and user
          id.${me && ' Name, e-mail and role are from GET /users/me.'}
        </p>
      </section>
      ${tokenCard(req.pagerduty, 'refreshed' in req.query)} ${scopesCard(req.pagerduty)}
      <section class="card">
        <h2>More to try</h2>
        <ul class="plain">
          <li><a href="/incidents">Incidents</a>, a page that your grant covers</li>
          <li><a href="/services">A page you have no scope for</a></li>
          <li><a href="/scopes">What you granted, what is missing, and how to get it</a></li>
          <li><a href="/sessions">Your sessions</a>, here and in other browsers</li>
          <li>
            The same incidents as JSON. Without your cookie the response is 401:
            <pre tabindex="0"><code>curl -i ${url.replace('http://', '')}/api/incidents</code></pre>
          </li>
        </ul>
      </section>
    </div>
    ${countdown(nonce)}`
}

function tokenCard({ obtainedAt = 0, expiresAt = 0 }: Request['pagerduty'], wasRefreshed: boolean): Markup {
  const age = Math.floor((Date.now() - obtainedAt) / 1000)
  const life = Math.floor((expiresAt - obtainedAt) / 1000)
  return html`<section class="card" id="token" data-age="${age}" data-life="${life}">
    <h2>Your access token</h2>
    ${wasRefreshed && age < 10 && html`<p class="done" role="status">Refreshed just now.</p>`}
    <p class="left"><span class="clock" data-testid="expires">${clock(life - age)}</span> left</p>
    <progress value="${life - age}" max="${life}" aria-label="Time left until the token expires"></progress>
    <p class="small">
      Received
      <span data-testid="token-age" data-obtained-at="${obtainedAt}">${ago(obtainedAt)}</span>, valid until
      ${moment(expiresAt)}. The app refreshes it before then. It never leaves the server.
    </p>
    <form method="post" action="/refresh">
      <button class="primary" data-testid="refresh">Refresh now</button>
    </form>
  </section>`
}

function scopesCard({ grantedScopes, requestedScopes }: Request['pagerduty']): Markup {
  const scopes = [...new Set([...requestedScopes, ...grantedScopes])]
  const missing = requestedScopes.filter((scope) => !grantedScopes.includes(scope))
  return html`<section class="card">
    <h2>What you granted</h2>
    <table class="scopes" data-testid="granted-scopes">
      <thead>
        <tr>
          <th scope="col">Scope</th>
          <th scope="col">Requested</th>
          <th scope="col">Granted</th>
        </tr>
      </thead>
      <tbody>
        ${scopes.map((scope) => {
          const isGranted = grantedScopes.includes(scope)
          return html`<tr data-scope="${scope}">
            <th scope="row"><code>${scope}</code></th>
            <td>${requestedScopes.includes(scope) ? 'yes' : 'no'}</td>
            <td>
              <span class="${isGranted ? 'granted' : 'missing'}">${isGranted ? 'granted' : 'missing'}</span>
            </td>
          </tr>`
        })}
      </tbody>
    </table>
    ${missing.length > 0 && html`<p class="small">PagerDuty leaves out scopes that the app is not configured with, and reports no error. So guards check what was granted.</p>`}
  </section>`
}

/** Seconds as 23:59:58. */
function clock(seconds: number): string {
  const rest = Math.max(0, seconds)
  const parts = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}

/** Lets the clocks run. Without it the page shows them as they were when it was made. */
function countdown(nonce: string): Markup {
  return html`<script nonce="${nonce}">
    const card = document.getElementById('token')
    const left = card.querySelector('.clock')
    const received = card.querySelector('[data-obtained-at]')
    const began = Date.now() - card.dataset.age * 1000
    const clock = (seconds) => {
      const rest = Math.max(0, seconds)
      const parts = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60]
      return parts.map((part) => String(part).padStart(2, '0')).join(':')
    }
    const ago = (minutes) =>
      minutes < 1 ? 'just now' : minutes < 60 ? minutes + ' min ago' : Math.floor(minutes / 60) + ' h ago'
    setInterval(() => {
      const age = Math.floor((Date.now() - began) / 1000)
      left.textContent = clock(card.dataset.life - age)
      received.textContent = ago(Math.floor(age / 60))
      card.querySelector('progress').value = card.dataset.life - age
    }, 1000)
  </script>`
}
