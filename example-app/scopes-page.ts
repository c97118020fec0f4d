import type { Request } from 'express'
import { type Markup, html } from './html'

/** A route of this app and the scope that PagerDuty must have granted for it. */
export interface Need {
  route: string
  scope: string
}

/** What the app is configured with at PagerDuty; only the simulator lets it be seen and changed from here. */
export interface Configuration {
  /** What can be switched. */
  readonly choices: readonly string[]
  /** What is switched on. */
  readonly scope: readonly string[]
  change(scope: readonly string[]): void
}

/** Which scopes were requested, which PagerDuty granted, which the routes need, and how to get the missing ones. */
export function scopesPage(
  req: Request,
  needs: readonly Need[],
  configuration: Configuration | undefined,
): Markup {
  const { grantedScopes, requestedScopes } = req.pagerduty
  const scopes = [...new Set([...requestedScopes, ...grantedScopes, ...needs.map(({ scope }) => scope)])]
  const missing = missingFor(req, needs)
  return html`<h1>Scopes</h1>
    <p class="lead">
      PagerDuty may grant less than was requested, and reports no error. So guards check what was granted.
    </p>
    ${news(req)}
    <section class="card matrix-card">
      <h2>Requested, granted, needed</h2>
      <table class="matrix" role="table" data-testid="scope-matrix">
        <thead role="rowgroup">
          <tr role="row">
            ${['Scope', 'Requested', 'Granted', 'Needed by'].map((name) => html`<th scope="col" role="columnheader">${name}</th>`)}
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${scopes.map((scope) => row(req, scope, needs))}
        </tbody>
      </table>
      ${
        missing.length > 0
          ? html`<p class="ask">
              <a class="button primary" href="/scopes/ask" data-testid="ask"
                >Request ${missing.join(' and ')}</a
              >
            </p>`
          : html`<p class="small">You have every scope that this app needs.</p>`
      }
    </section>
    ${configuration && configurationForm(configuration)}`
}

/** The scopes that routes need and that are not granted. */
export function missingFor({ pagerduty }: Request, needs: readonly Need[]): readonly string[] {
  return pagerduty.missing(...new Set(needs.map(({ scope }) => scope)))
}

function row({ pagerduty }: Request, scope: string, needs: readonly Need[]): Markup {
  const routes = needs.filter((need) => need.scope === scope).map(({ route }) => route)
  const isAsked = pagerduty.requestedScopes.includes(scope)
  const isWanted = isAsked || routes.length > 0
  const [mark, word] = pagerduty.has(scope)
    ? ['granted', 'granted']
    : isWanted
      ? ['missing', 'missing']
      : ['', 'no']
  return html`<tr role="row" data-scope="${scope}">
    <th role="rowheader" scope="row"><code>${scope}</code></th>
    <td role="cell" data-label="Requested">${isAsked ? 'yes' : 'no'}</td>
    <td role="cell" data-label="Granted"><span class="${mark}">${word}</span></td>
    <td role="cell" data-label="Needed by" class="routes">
      ${routes.length > 0 ? routes.map((route) => html`<code>${route}</code> `) : '–'}
    </td>
  </tr>`
}

function news(req: Request): Markup | false {
  if ('configured' in req.query)
    return html`<p class="notice" role="status">
      Saved. It takes effect when the next user consents, or when your token is refreshed.
    </p>`
  return (
    'refreshed' in req.query && html`<p class="notice" role="status">The token was refreshed just now.</p>`
  )
}

function configurationForm({ choices, scope }: Configuration): Markup {
  return html`<section class="card matrix-card">
    <h2>The app at PagerDuty</h2>
    <p>
      The scopes that its owner has configured it with. Remove or add one, then refresh the token or request
      scopes again, and see what is granted.
    </p>
    <form method="post" action="/simulator/scopes">
      <fieldset>
        <legend>Configured scopes</legend>
        ${choices.map(
          (one) =>
            html`<label
              ><input type="checkbox" name="scope" value="${one}" ${scope.includes(one) && html`checked`} />
              <code>${one}</code></label
            >`,
        )}
      </fieldset>
      <div class="buttons">
        <button data-testid="configure">Save</button>
        <button formaction="/refresh" name="from" value="scopes" data-testid="refresh">
          Refresh the token
        </button>
      </div>
    </form>
  </section>`
}
