const longest = 400

/**
 * A return path in this app, with its query, or undefined for anything that a browser could resolve to another origin. The
 * WHATWG URL parser decides, since browsers use the same one, and its result is returned.
 */
export function sameOriginPath(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('/') || value.length > longest) return undefined
  // Browsers read a backslash as a slash and drop control characters.
  if (/[\\ \p{Cc}]/u.test(value)) return undefined
  const base = 'http://same.invalid'
  if (!URL.canParse(value, base)) return undefined
  const url = new URL(value, base)
  const path = url.pathname + url.search + url.hash
  return url.origin === base && !path.startsWith('//') && path.length <= longest ? path : undefined
}
