import { createHash } from 'node:crypto'
import type { Account, Member } from './accounts'
import type { Reply } from './wire'

const style = `
:root { color-scheme: light dark; --ink: #16211b; --soft: #5d6b63; --line: #d5ddd8; --paper: #fff; --back: #f1f5f2; --go: #04723a }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8efea; --soft: #9aaba1; --line: #35433b; --paper: #1a231e; --back: #111814; --go: #3ecf7e }
  .allow { color: #06130b !important }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { min-width: 0; width: 100%; max-width: 27rem; background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.5rem }
.notice { margin: -1.5rem -1.5rem 1.25rem; padding: .6rem 1.5rem; border-bottom: 1px dashed var(--line); color: var(--soft); font-size: .875rem }
p { overflow-wrap: anywhere }
h1 { margin: 0 0 .25rem; font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere }
h2, legend { margin: 0; padding: 0; font-size: .8125rem; font-weight: 600; color: var(--soft) }
p, ul { margin: 0 0 1.25rem }
ul { display: flex; flex-wrap: wrap; gap: .375rem; padding: .5rem 0 0; list-style: none }
li { border: 1px solid var(--line); border-radius: 6px; padding: .1rem .5rem; font: .8125rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere }
li.dropped { color: var(--soft); border-style: dashed }
main > p:last-child { margin: 0 }
fieldset { margin: 0 0 1.25rem; border: 0; padding: 0 }
label { display: flex; gap: .75rem; align-items: center; margin-top: .5rem; border: 1px solid var(--line); border-radius: 8px; padding: .6rem .75rem; cursor: pointer }
label:has(:checked) { border-color: var(--go); box-shadow: inset 0 0 0 1px var(--go) }
input { accent-color: var(--go); margin: 0; width: 1.1rem; height: 1.1rem; flex: none }
label span { flex: 1; min-width: 0; overflow-wrap: anywhere }
small { display: block; color: var(--soft) }
.buttons { display: flex; gap: .75rem }
button { flex: 1; border: 1px solid var(--line); border-radius: 8px; padding: .7rem; background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer }
.allow { background: var(--go); border-color: var(--go); color: #fff }
:focus-visible { outline: 3px solid var(--go); outline-offset: 2px }
`
const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/** The page of the authorize endpoint: who logs in, what is requested, allow or deny. Works without scripts. */
export function loginPage(page: {
  clientID: string
  accounts: readonly Account[]
  requested: readonly string[]
  granted: readonly string[]
  action: string
  redirectURI: string
  /** Id of the user who logged in last in this browser. */
  lastUser: string | undefined
}): Reply {
  const members = page.accounts.flatMap((account) => account.users.map((user) => ({ user, account })))
  const chosen = members.find(({ user }) => user.id === page.lastUser) ?? members[0]
  const scopes = [...new Set([...page.granted, ...page.requested])]
  const content = `<h1>${escape(page.clientID)} requests access</h1>
<p>Afterwards you return to ${escape(page.redirectURI)}</p>
<h2>Requested scope</h2>
<ul id="scopes">${scopes.map((scope) => scopeItem(scope, page.granted)).join('')}</ul>
<form method="post" action="${escape(page.action)}">
<fieldset><legend>Log in as</legend>${members.map((member) => memberChoice(member, member === chosen)).join('')}</fieldset>
<div class="buttons">
<button id="deny" name="decision" value="deny">Deny</button>
<button id="allow" class="allow" name="decision" value="allow">Allow</button>
</div>
</form>`
  return htmlPage(200, 'Log in', content, `'self' ${formTarget(page.redirectURI)}`)
}

/**
 * Shown where PagerDuty shows a bare page, because there is no address that may safely be redirected to.
 *
 * @param back where the users can be chosen again
 */
export function refusalPage(problem: string, back?: string): Reply {
  return htmlPage(
    400,
    'Bad request',
    `<h1>Bad request</h1>\n<p id="problem">${escape(problem)}</p>${back === undefined ? '' : `\n<p><a href="${escape(back)}">Choose another user</a></p>`}`,
    `'none'`,
  )
}

function memberChoice({ user, account }: Member, isChosen: boolean): string {
  const region = account.region.toUpperCase()
  return `
<label for="user-${escape(user.id)}"><input type="radio" name="user" id="user-${escape(user.id)}" value="${escape(user.id)}"${isChosen ? ' checked' : ''}>
<span>${escape(user.name)}<small>${escape(account.subdomain)}, ${region} region, ${escape(user.role)}</small></span></label>`
}

function scopeItem(scope: string, granted: readonly string[]): string {
  if (granted.includes(scope)) return `<li>${escape(scope)}</li>`
  return `<li class="dropped">${escape(scope)} (not configured, not granted)</li>`
}

function htmlPage(status: number, title: string, content: string, formAction: string): Reply {
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${title} · PagerDuty simulator</title>
<style>${style}</style>
</head>
<body>
<main>
<div class="notice">This is a simulator on this machine, <strong>not PagerDuty</strong>.</div>
${content}
</main>
</body>
</html>
`
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `style-src ${styleHash}`,
    `form-action ${formAction}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  const headers = {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy.join('; '),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  }
  return { status, headers, body }
}

// Chromium holds redirects after a form to form-action as well, and from its callback an app may go on to any origin of its own.
function formTarget(redirectURI: string): string {
  return [...new Set(['http:', 'https:', new URL(redirectURI).protocol])].join(' ')
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
