import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { ConfigurationError, type TokenStoreError } from '../errors/errors'
import { MemoryTokenStore } from './memory-token-store'
import { PostgresTokenStore } from './postgres-token-store'
import type { RedisClient } from './redis-client'
import { connectRedis } from './connect-redis'
import { RedisTokenStore, requirePrefix } from './redis-token-store'
import { SQLiteTokenStore } from './sqlite-token-store'
import { unusable } from './store-failure'
import type { StoreOptions } from './store-options'
import { type StoreKind, sqlitePathOf, storeKindOf } from './store-url'
import type { TokenStore } from './token-store'

/** Where an instance stores its state. */
export interface OpenStore {
  readonly tokenStore: TokenStore
  /** Undefined where one is required, and not given. */
  readonly secret: StoreOptions['secret']
  /** Closes what was opened here. */
  close(): Promise<void>
}

interface OpenOptions {
  tokenStore?: TokenStore | string | undefined
  redis?: RedisClient | string | undefined
  prefix?: string | undefined
}

export interface StoreReports {
  readonly warn: (message: string) => void
  /** Takes failures of a connection made here. */
  readonly failed: (error: Error) => void
}

type Opened = Omit<OpenStore, 'secret'> & Partial<Pick<OpenStore, 'secret'>>

/** What an instance is called in its store: the beginning of its keys in Redis, and its table. */
interface Place {
  readonly prefix: string
  readonly table: string
}

/** Each opens what the rest of a URL names. */
const openers: Readonly<Record<StoreKind, (url: string, place: Place, reports: StoreReports) => Opened>> = {
  memory: (_url, _place, { warn }) => openMemory(warn),
  sqlite(url, { table }) {
    const tokenStore = new SQLiteTokenStore(sqlitePathOf(url), { table })
    return { tokenStore, close: async () => tokenStore.close() }
  },
  postgres(url, { table }, { failed }) {
    const tokenStore = new PostgresTokenStore(url, { table })
    // What is wrong is reported at the start, and not with the first login.
    tokenStore
      .get('start')
      .catch((error: TokenStoreError) => failed(unusable('PostgreSQL', url, 5432, error)))
    return { tokenStore, close: () => tokenStore.close() }
  },
  redis: (url, { prefix }, { failed }) => openRedis(url, prefix, failed, 'tokenStore'),
}

/**
 * The store that was passed in, else one by URL, else one in memory.
 *
 * @param name of the instance, which separates its keys in Redis, and its table, from those of the app's other instances
 * @throws {ConfigurationError} in a cluster without a store that its workers share
 */
export function openStore(
  options: Pick<StoreOptions, 'secret'> & OpenOptions,
  name: string,
  reports: StoreReports,
): OpenStore {
  const { tokenStore: store, redis, secret } = options
  requireOneStore(store, redis)
  const kind = typeof store === 'string' ? storeKindOf(store) : undefined
  const usesPrefix = store === undefined || (kind !== undefined && kind !== 'memory')
  if (options.prefix !== undefined && !usesPrefix) throw notForStore()
  const own = options.prefix === undefined ? '' : requirePrefix(options.prefix)
  const prefix = requirePrefix(`${own}${name}:`)
  const place = { prefix, table: `${(own + name).replace(/\W/g, '_')}_tokens` }
  const open = (): Opened => {
    if (kind !== undefined) return openers[kind](store as string, place, reports)
    if (store !== undefined) return { tokenStore: store as TokenStore, async close() {} }
    return redis === undefined ? openMemory(reports.warn) : openRedis(redis, prefix, reports.failed)
  }
  const opened = open()
  return { ...opened, secret: secret ?? opened.secret }
}

function openRedis(
  redis: RedisClient | string,
  prefix: string,
  failed: (error: Error) => void,
  option?: string,
): Opened {
  const connection = connectRedis(redis, failed, option)
  return {
    tokenStore: new RedisTokenStore(connection.client, { prefix }),
    close: () => connection.close(),
  }
}

function openMemory(warn: (message: string) => void): Opened {
  if (cluster.isWorker) {
    throw new ConfigurationError(
      'tokenStore',
      'must not be in memory in a cluster: its workers share none',
      'Set PAGERDUTY_TOKEN_STORE to a file (sqlite:./var/pagerduty.db), PostgreSQL or Redis; or REDIS_URL.',
    )
  }
  const isProduction = process.env['NODE_ENV'] === 'production'
  if (isProduction) {
    warn('"tokenStore" is in memory: logins are lost at a restart, and seen by this process only')
  }
  const tokenStore = new MemoryTokenStore()
  return {
    tokenStore,
    // State in memory is lost with the process, so its secret may be, too.
    secret: isProduction ? undefined : randomBytes(32).toString('base64url'),
    close: async () => tokenStore.close(),
  }
}

/** @throws {ConfigurationError} state would be in one of two places, whichever the code prefers */
export function requireOneStore(tokenStore: unknown, redis: unknown): void {
  if (tokenStore === undefined || redis === undefined) return
  throw new ConfigurationError(
    'tokenStore',
    'and "redis" (REDIS_URL) are both given, and state can only be in one place',
    'Leave out one of the two options, or of PAGERDUTY_TOKEN_STORE and REDIS_URL. An option wins over the other’s variable.',
  )
}

function notForStore(): ConfigurationError {
  return new ConfigurationError(
    'prefix',
    'has no effect on this tokenStore',
    'Give the prefix to the store: new RedisTokenStore(client, { prefix: "…" }), or a table: new PostgresTokenStore(pool, { table: "…" }).',
  )
}
