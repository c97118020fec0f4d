const longest = 400

/**
 * A place in this app to return to, as path and query, or undefined for anything a browser could take for another
 * origin. The URL parser decides, since it is the browser's (WHATWG URL), and what it made of the value is returned.
 */
export function sameOriginPath(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('/') || value.length > longest) return undefined
  // Browsers take a backslash for a slash and drop control characters: neither belongs into a path.
  if (/[\\ \p{Cc}]/u.test(value)) return undefined
  const base = 'http://same.invalid'
  if (!URL.canParse(value, base)) return undefined
  const url = new URL(value, base)
  const path = url.pathname + url.search + url.hash
  return url.origin === base && !path.startsWith('//') && path.length <= longest ? path : undefined
}
