import type { StoreKind } from '../store/store-url'
import { checkPostgres } from './check-postgres'
import { checkRedis } from './check-redis'
import { checkSQLite } from './check-sqlite'
import type { Configuration } from './configuration'
import { type Finding, note, warning } from './finding'

type Check = (url: string, isProduction: boolean) => Finding[] | Promise<Finding[]>

const checks: Readonly<Record<StoreKind, Check>> = {
  memory: (_url, isProduction) => [inMemory(isProduction)],
  sqlite: checkSQLite,
  postgres: checkPostgres,
  redis: checkRedis,
}

/** Where state is stored, whatever kind of store that is. */
export async function checkStore({ store, isRefused, isProduction }: Configuration): Promise<Finding[]> {
  if (isRefused('redis') || isRefused('tokenStore')) return []
  return checks[store.kind](store.url, isProduction)
}

function inMemory(isProduction: boolean): Finding {
  const message = 'Logins are kept in memory, seen by one process, and lost at a restart'
  if (!isProduction) return note('store', message)
  return warning(
    'store',
    message,
    'Set PAGERDUTY_TOKEN_STORE, such as sqlite:./var/pagerduty.db, or REDIS_URL.',
  )
}
