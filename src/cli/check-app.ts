import { type Answer, boundedFetch } from '../http/bounded-fetch'
import { loginPathOf } from '../login/route-options'
import type { Client } from '../oauth/client'
import { bounds, unreachable } from './check-pagerduty'
import type { Configuration } from './configuration'
import { type Finding, error, note, ok, warning } from './finding'

const check = 'app'
const proxyRemedy =
  'Let the proxy that ends TLS send "X-Forwarded-Proto: https", overwriting what clients send.'

/** The running app, as a browser reaches it: through the proxy. */
export async function checkApp(
  { client, has }: Configuration,
  address: string | undefined,
): Promise<Finding[]> {
  if (!has('callbackURL') || !has('clientID')) return []
  if (address === undefined) {
    const text = client.isSecure ? 'The proxy was not checked' : 'The running app was not checked'
    return [note(check, text, `Name the running app: --url ${new URL(client.callbackURLs[0]).origin}`)]
  }
  const { origin } = new URL(address)
  const path = loginPathOf(client)
  let answer: Answer
  try {
    answer = await visit(origin + path)
  } catch (failure) {
    return [unreachable(check, new URL(origin).host, failure)]
  }
  const findings = [...sameOrigin(origin, client), ...begun(answer, origin + path, client)]
  const isPlainPortKnown = origin.startsWith('https:') && new URL(origin).port === ''
  return [
    ...findings,
    ...(isPlainPortKnown
      ? await plain(`http://${new URL(origin).host}${path}`, client.authorizationURL)
      : []),
  ]
}

function visit(url: string): Promise<Answer> {
  return boundedFetch(
    globalThis.fetch,
    url,
    { headers: { Accept: 'text/html' } },
    { ...bounds, showsRedirects: true },
  )
}

function sameOrigin(origin: string, { callbackURLs }: Client): Finding[] {
  const known = callbackURLs.map((url) => new URL(url).origin)
  if (known.includes(origin)) return []
  return [
    warning(
      check,
      `${origin} is not where PAGERDUTY_CALLBACK_URL leads: a login begun there comes back without its cookie`,
      `Let users open ${known.join(' or ')}, and redirect them from everywhere else.`,
    ),
  ]
}

function begun({ status, headers, text }: Answer, url: string, client: Client): Finding[] {
  const location = headers.get('location') ?? ''
  if (status >= 500 && text.includes('ERR_PAGERDUTY_CONFIGURATION')) {
    return [error('proxy', `${url} is taken for plain http by the app`, proxyRemedy)]
  }
  if (status === 404) {
    return [
      error(
        check,
        `${url} is not there (404)`,
        'Mount pd.auth(), or let the option routes.login be the path that is there.',
      ),
    ]
  }
  if (!location.startsWith(client.authorizationURL)) {
    const where = location !== '' && URL.canParse(location, url) ? `, to ${new URL(location, url).host}` : ''
    return [
      error(
        check,
        `${url} responded with ${status}${where}, and does not lead to PagerDuty’s login`,
        'Check that the address is the app’s own, and that it uses the same PAGERDUTY_IDENTITY_URL.',
      ),
    ]
  }
  const sent = new URL(location).searchParams
  const expected = client.callbackURLFor(new URL(url).host)
  const used = sent.get('redirect_uri') ?? ''
  if (used !== expected && client.callbackURLs.includes(used)) {
    return [
      error(
        'proxy',
        `${url} begins a login with the callback URL of another origin, ${new URL(used).origin}`,
        'Let the proxy pass on the Host that browsers send, or X-Forwarded-Host together with Express’s "trust proxy", and run the app with all of PAGERDUTY_CALLBACK_URL.',
      ),
    ]
  }
  const different = differences(sent, client.clientID, expected)
  if (different.length > 0) {
    return [
      error(
        check,
        `The running app has another ${different.join(' and ')} than this environment`,
        'Run the doctor with the environment of the app, and restart the app after a change.',
      ),
    ]
  }
  return [
    ok(check, `${url} leads to PagerDuty’s login, with this client ID and callback URL`),
    cookie(headers, client.isSecure),
  ]
}

function differences(sent: URLSearchParams, clientID: string, callbackURL: string): string[] {
  return [
    ...(sent.get('client_id') === clientID ? [] : ['client ID']),
    ...(sent.get('redirect_uri') === callbackURL ? [] : ['callback URL']),
  ]
}

function cookie(headers: Headers, isSecure: boolean): Finding {
  const pending = headers.getSetCookie().find((line) => /^[^=]*-login-/.test(line))
  if (pending === undefined) {
    return error(
      'cookie',
      'The login sets no cookie, so no login can be finished',
      'Let the proxy pass Set-Cookie on, and cache nothing below the login path.',
    )
  }
  const isProtected = /^__Host-/.test(pending) && /;\s*secure\b/i.test(pending)
  const isWhole = /;\s*httponly\b/i.test(pending) && /;\s*samesite=lax\b/i.test(pending)
  if (!isWhole || (isSecure && !isProtected)) {
    return error(
      'cookie',
      'The login’s cookie has lost attributes on its way',
      'Let the proxy pass Set-Cookie on as it is.',
    )
  }
  return ok(
    'cookie',
    isSecure
      ? 'The login’s cookie is Secure, and bound to the host'
      : 'The login’s cookie is HttpOnly and Lax',
  )
}

/** A request over plain http may be rejected, redirected or get no response, but must not start a login. */
async function plain(url: string, authorizationURL: string): Promise<Finding[]> {
  const answer = await visit(url).catch(() => undefined)
  if (!answer?.headers.get('location')?.startsWith(authorizationURL))
    return [ok('proxy', 'Plain http begins no login')]
  return [
    error('proxy', `${url} begins a login, though it is plain http`, `Redirect it to https. ${proxyRemedy}`),
  ]
}
