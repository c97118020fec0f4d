import { type Markup, html } from './html'

const integration = `// The rest: PAGERDUTY_* variables
const pd = pagerduty({
  scope: ['incidents.read'],
})

app.use(pd.auth())
app.get(
  '/incidents',
  pd.requireScopes('incidents.read'),
  showIncidents,
)
app.use(pd.errors())`

/** The home page for a user who is not logged in. */
export function welcomePage({ url, isSimulator }: { url: string; isSimulator: boolean }): Markup {
  return html`<section class="hero">
      <div>
        <h1>PagerDuty login for an Express app</h1>
        <p class="lead">
          Log in, and this app shows who PagerDuty says you are, what you really granted, and how it keeps
          your token fresh while you work.
        </p>
        <p><a class="button primary" href="/auth/pagerduty" data-testid="login">Log in with PagerDuty</a></p>
        ${
          isSimulator
            ? html`<p class="aside">
                <strong>No PagerDuty account needed.</strong> A simulator on this machine takes PagerDuty’s
                place: log in as one of its four users. Nothing leaves your computer.
              </p>`
            : html`<p class="aside">
                You log in at PagerDuty and come back here. This app never sees your password.
              </p>`
        }
      </div>
      <figure>
        <figcaption>The whole integration</figcaption>
        <pre tabindex="0"><code>${integration}</code></pre>
      </figure>
    </section>
    <section>
      <h2>What to try</h2>
      <ul class="tiles">
        <li>
          <h3><a href="/incidents">Open the incidents</a></h3>
          <p>Logged out, you are taken through the login and then straight to the page you wanted.</p>
        </li>
        <li>
          <h3>Deny the access</h3>
          <p>Choose “Deny” on the way. You get a plain page instead of a stack trace, and can try again.</p>
        </li>
        <li>
          <h3>Ask without a login</h3>
          <p>A script gets 401 and a reason in JSON:</p>
          <pre tabindex="0"><code>curl -i ${url.replace('http://', '')}/api/incidents</code></pre>
        </li>
      </ul>
    </section>`
}
