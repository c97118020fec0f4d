import type { IncomingMessage } from 'node:http'

const longestPath = 400

/**
 * A URL, or undefined where there is none. Not by `URL.canParse(text)`: once optimized, that of Node 20 takes Latin-1 strings for
 * UTF-8, and finds no URL where there is an "é".
 */
export function parseURL(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base)
  } catch {
    return undefined
  }
}

/** Path and query of a request as received. Express keeps them in `originalUrl`; a plain request has only `url`. */
export function targetOf(req: IncomingMessage): string {
  return (req as { originalUrl?: string }).originalUrl ?? req.url ?? '/'
}

/** The path alone. Without a parser, which would throw on some of what clients send, and be slow on every request. */
export function pathOf(target: string): string {
  return target.split(/[?#]/, 1)[0] ?? ''
}

/** The query, whatever query parser the app uses. */
export function queryOf(target: string): URLSearchParams {
  return new URLSearchParams(/^[^?#]*\?([^#]*)/.exec(target)?.[1])
}

/**
 * The host that the browser addressed, with its port. `X-Forwarded-Host` counts only where Express's `req.hostname` is taken from
 * it, which the setting "trust proxy" decides. A client can send any Host: choose by it among what is configured, nothing else.
 */
export function hostOf(req: IncomingMessage): string | undefined {
  const { host, 'x-forwarded-host': forwarded } = req.headers
  const { hostname } = req as { hostname?: string }
  const [first] = String(forwarded ?? '').split(',')
  // Express 4 has no member that keeps the port.
  const candidates = [host, first?.trim()].filter((value) => value !== undefined)
  return hostname === undefined ? host : candidates.find((value) => value.replace(/:\d*$/, '') === hostname)
}

/**
 * A return path in this app, with its query, or undefined for anything that a browser could resolve to another origin. The
 * WHATWG URL parser decides, since browsers use the same one, and its result is returned.
 */
export function sameOriginPath(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('/') || value.length > longestPath) return undefined
  // Browsers read a backslash as a slash and drop control characters.
  if (/[\\ \p{Cc}]/u.test(value)) return undefined
  const base = 'http://same.invalid'
  const url = parseURL(value, base)
  if (url === undefined) return undefined
  const path = url.pathname + url.search + url.hash
  return url.origin === base && !path.startsWith('//') && path.length <= longestPath ? path : undefined
}

/**
 * Where to return to after a login: a path in this app, or a URL of one of the app's own origins, with path and query; undefined
 * for everything else.
 */
export function ownURL(value: unknown, origins: readonly string[]): string | undefined {
  const path = sameOriginPath(value)
  if (path !== undefined || typeof value !== 'string') return path
  if (value.length > longestPath || !/^https?:\/\/[^\\ \p{Cc}]+$/iu.test(value)) return undefined
  const url = parseURL(value)
  if (url === undefined || url.username !== '' || url.password !== '') return undefined
  return origins.includes(url.origin) && url.href.length <= longestPath ? url.href : undefined
}
