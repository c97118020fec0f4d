/** The store's URL: what `npm start -- --store` says, else the environment's; undefined for memory. */
export function storeURL(given?: string): string | undefined {
  return given || process.env['PAGERDUTY_TOKEN_STORE'] || process.env['REDIS_URL'] || undefined
}

/** Where logins are kept, in a few words and without a password. */
export function storePlace(url: string | undefined): string {
  if (url === undefined || url.startsWith('memory:')) return 'in memory'
  if (url.startsWith('sqlite:')) return `in SQLite, in the file ${url.slice('sqlite:'.length)}`
  return `in ${url.startsWith('postgres') ? 'PostgreSQL' : 'Redis'} at ${new URL(url).host}`
}
