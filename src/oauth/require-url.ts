import { ConfigurationError } from '../errors/errors'
import { parseURL } from '../http/request-url'

/** Checks that a URL is absolute, and https unless it leads to this machine. */
export function requireURL(option: string, value: unknown): string {
  const url = typeof value === 'string' ? parseURL(value) : undefined
  // The parser ignores whitespace around a URL; PagerDuty compares it exactly.
  if (url === undefined || !/^https?:\/\/\S+$/i.test(value as string)) {
    const fault = value === undefined ? 'is required:' : 'must be'
    throw new ConfigurationError(option, `${fault} an absolute URL, such as "https://app.example.com/path"`)
  }
  const isPlain = url.protocol === 'http:' && !isLoopback(url.hostname)
  const isMore = url.username !== '' || url.password !== '' || url.hash !== ''
  const faults = [
    ...(isPlain
      ? ['must be https (http is accepted on this machine only: localhost, *.localhost, 127.0.0.1 and [::1])']
      : []),
    ...(isMore ? ['must have neither user information nor a fragment'] : []),
  ]
  if (faults.length > 0) throw new ConfigurationError(option, faults.join(', and '))
  return value as string
}

export function requireOrigin(option: string, value: unknown): string {
  const { origin, pathname, search } = new URL(requireURL(option, value))
  if (pathname === '/' && search === '') return origin
  throw new ConfigurationError(
    option,
    'must be an origin, such as "https://pagerduty.example": no path, no query',
  )
}

/** Whether a host name means the machine itself. */
export function isLoopback(hostname: string): boolean {
  return /^(127(\.\d+){3}|\[::1\]|([\w-]+\.)*localhost)$/.test(hostname)
}

/**
 * The callback URLs, one for each origin of the app. Routes and cookies are made once, at start-up, so all entries share the path
 * and the scheme.
 *
 * @throws {ConfigurationError}
 */
export function requireCallbackURLs(value: unknown): readonly [string, ...string[]] {
  const [first, ...others] = [value].flat().map((one) => requireURL('callbackURL', one))
  if (first === undefined) throw new ConfigurationError('callbackURL', 'must have at least one URL')
  const { protocol, pathname, origin } = new URL(first)
  const origins = [origin]
  for (const other of others) {
    const url = new URL(other)
    if (url.pathname !== pathname) {
      throw new ConfigurationError(
        'callbackURL',
        `has the paths "${pathname}" and "${url.pathname}": all entries need the same one, because the callback route has one path`,
      )
    }
    if (url.protocol !== protocol) {
      throw new ConfigurationError(
        'callbackURL',
        'has entries of https and of http: all entries need the same scheme, because cookies are "Secure" for all of them or for none',
        'Give the app that runs on your machine a configuration of its own.',
      )
    }
    if (origins.includes(url.origin)) {
      throw new ConfigurationError(
        'callbackURL',
        `has two entries for ${url.origin}: the origin of a request decides which entry is used, so one is enough`,
      )
    }
    origins.push(url.origin)
  }
  return [first, ...others]
}

/**
 * Other origins of the same app, as browsers write them in `Origin`: a host name in its ASCII form, no default port.
 *
 * @throws {ConfigurationError}
 */
function requireTrustedOrigins(value: unknown): readonly string[] {
  return [value].flat().map((one) => {
    const isOrigin = typeof one === 'string' && /^https?:\/\/[^\s/?#@\\]+\/?$/i.test(one)
    const { hostname = '', origin } = (isOrigin && parseURL(one)) || {}
    // The parser decodes "%2a", and keeps a dot at the end, which makes another host of it.
    if (!/^(\[[\da-f:.]+\]|[\w-]+(\.[\w-]+)*)$/.test(hostname)) {
      throw new ConfigurationError(
        'trustedOrigins',
        'must be a list of origins, such as "https://app.example.com": scheme, host and port only, without path, user information, wildcard or trailing dot',
        'List each origin. A wildcard would trust pages that others may publish on a sibling domain.',
      )
    }
    return requireURL('trustedOrigins', origin)
  })
}

/**
 * The app's own origins: those of its callback URLs, then the trusted ones.
 *
 * @throws {ConfigurationError}
 */
export function originsOf(callbackURLs: readonly string[], trustedOrigins: unknown): readonly string[] {
  return [...callbackURLs.map((url) => new URL(url).origin), ...requireTrustedOrigins(trustedOrigins ?? [])]
}
