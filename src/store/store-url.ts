import { ConfigurationError } from '../errors/errors'

const kinds = {
  'memory:': 'memory',
  'sqlite:': 'sqlite',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'redis:': 'redis',
  'rediss:': 'redis',
  'valkey:': 'redis',
  'valkeys:': 'redis',
} as const

/** What keeps state. */
export type StoreKind = (typeof kinds)[keyof typeof kinds]

/**
 * Which kind of store the option `tokenStore` means.
 *
 * @throws {ConfigurationError} without the URL, which may hold a password
 */
export function storeKindOf(url: string): StoreKind {
  const scheme = /^[a-z]+:/i.exec(url)?.[0].toLowerCase() ?? ''
  const kind = Object.hasOwn(kinds, scheme) ? kinds[scheme as keyof typeof kinds] : undefined
  if (kind === 'sqlite' || (kind !== undefined && !/\s/.test(url))) return kind
  if (kind !== undefined) {
    const problem = 'is a URL with whitespace in it'
    throw new ConfigurationError('tokenStore', problem, 'In a user or password, write %20 in its place.')
  }
  throw new ConfigurationError(
    'tokenStore',
    `must be a store, or a URL that begins with ${Object.keys(kinds).join(', ')}`,
    'A file is "sqlite:./var/pagerduty.db"; servers are "postgres://user:password@host/database" and "redis://host".',
  )
}

/**
 * The path in `sqlite:./relative` (to the working directory) and `sqlite:///absolute`.
 *
 * @throws {ConfigurationError}
 */
export function sqlitePathOf(url: string): string {
  const path = url.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')
  const isFile = path !== '' && !/^(\/\/|:)|\?/.test(path)
  if (isFile) return path
  throw new ConfigurationError(
    'tokenStore',
    path.includes('?') ? 'takes no parameters (?)' : 'names no file; a store in memory is "memory:"',
    'Write sqlite:./var/pagerduty.db, from the working directory, or sqlite:///var/lib/app/pagerduty.db.',
  )
}
