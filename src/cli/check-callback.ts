import { isLoopback } from '../oauth/require-url'
import { loginPathOf } from '../login/route-options'
import type { Configuration } from './configuration'
import { type Finding, note, ok, warning } from './finding'

const check = 'callback-url'
const exactly = 'PagerDuty compares it exactly with the registered one'

/** The callback URL against what PagerDuty compares, what the routes expect, and who can reach it. */
export function checkCallback(configuration: Configuration): Finding[] {
  const { client, has, given } = configuration
  // What is rejected for one fault may have others.
  if (!has('callbackURL'))
    return [given.callbackURL ?? []]
      .flat()
      .filter((one) => /^https?:/.test(one) && URL.canParse(one))
      .flatMap((one) => shapeOf(one, new URL(one)))
  const findings = client.callbackURLs.flatMap((one) => {
    const url = new URL(one)
    return [...shapeOf(one, url), ...reachOf(url, configuration)].map((finding) =>
      client.callbackURLs.length === 1 ? finding : { ...finding, message: `${one}: ${finding.message}` },
    )
  })
  if (findings.length > 0) return findings
  const cookies = client.isSecure
    ? 'cookies are Secure and __Host-, so the proxy that ends TLS has to send "X-Forwarded-Proto: https"'
    : 'cookies are for http on this machine'
  return [
    ok(check, `${client.callbackURLs.join(', ')}; a login begins at ${loginPathOf(client)}; ${cookies}`),
  ]
}

function shapeOf(given: string, url: URL): Finding[] {
  const { pathname, search } = url
  const findings: Finding[] = []
  if (search !== '') {
    findings.push(
      warning(
        check,
        `PAGERDUTY_CALLBACK_URL has a query; ${exactly}`,
        'Remove the query, here and at PagerDuty.',
      ),
    )
  }
  if (pathname === '/') {
    findings.push(
      warning(
        check,
        'PAGERDUTY_CALLBACK_URL is the app’s home page, which would be taken for the end of a login',
        `Give it a path of its own, such as ${url.origin}/auth/pagerduty/callback, here and at PagerDuty.`,
      ),
    )
  } else if (pathname.endsWith('/')) {
    findings.push(
      warning(
        check,
        `PAGERDUTY_CALLBACK_URL ends with a slash; ${exactly}, and so does the callback route`,
        'Remove the slash, here and at PagerDuty.',
      ),
    )
  } else if (!/.\/callback$/.test(pathname)) {
    findings.push(
      note(
        check,
        `The path ${pathname} does not end with /callback, so a login begins at /auth/pagerduty and not beside it`,
        'Link to /auth/pagerduty, or set the option routes.login.',
      ),
    )
  }
  if (pathname !== '/' && url.href !== given) {
    findings.push(
      warning(
        check,
        `PAGERDUTY_CALLBACK_URL is not written as the URL that it means; ${exactly}`,
        `Write ${url.href}, here and at PagerDuty.`,
      ),
    )
  }
  return findings
}

function reachOf({ hostname }: URL, { isProduction, client, given }: Configuration): Finding[] {
  if (isProduction && isLoopback(hostname)) {
    return [
      warning(
        check,
        `In production PAGERDUTY_CALLBACK_URL is ${hostname}: browsers would come back to their own machine`,
        'Set it to the address under which users reach the app.',
      ),
    ]
  }
  if (!isProduction && client.isSecure && !isLoopback(hostname) && given.secret === undefined) {
    return [
      note(
        'node-env',
        'The callback URL is public, but NODE_ENV is not "production": a missing SESSION_SECRET would not be rejected',
        'Run the doctor with the environment of the app: NODE_ENV=production.',
      ),
    ]
  }
  return []
}
