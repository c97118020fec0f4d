import type { Redis } from 'ioredis'
import type { RedisClient, TokenStore } from '../../../src'
import { SharedStore } from '../model/shared-store'
import { nextPlace } from './ledger'
import type { Operation, Traffic } from './traffic'

/** Milliseconds that a late command takes: longer than a store's deadline. */
const late = 1_500
const nothing = () => {}

/** Milliseconds after which the library counts a command as failed. */
const deadline = 1_000

/** The store of all processes, seen from outside. */
export interface SharedBackend {
  /** What one process is given in `pagerduty()`. */
  optionsFor(traffic: Traffic, failure: () => Error): StoreOptions
  /** Milliseconds that a grant has left; undefined when there is none. */
  lifeOf(grantID: string): Promise<number | undefined>
  /** The ids of all stored grants. */
  grantIDs(): Promise<string[]>
  /** Time has passed. */
  age(milliseconds: number): Promise<void>
  /** Forgets everything. */
  clear(): Promise<void>
}

export type StoreOptions = { tokenStore: TokenStore } | { redis: RedisClient }

/** A command that is held until it is released, and fails where it is to. */
async function send<T>(
  traffic: Traffic,
  label: string,
  work: () => T | Promise<T>,
  failure: () => Error,
): Promise<T> {
  // A lock that is left behind expires by itself, much later than anything here may take.
  const fault = label.includes('lock:') ? undefined : traffic.takeFault()
  const operation = traffic.running.getStore()
  const sentAt = Date.now()
  await traffic.hold(fault === undefined ? label : `${label} [fault: ${fault}]`, fault === 'late' ? late : 0)
  const hasFailed = fault !== undefined || Date.now() - sentAt >= deadline
  if (hasFailed && operation !== undefined) operation.failures = (operation.failures ?? 0) + 1
  if (fault === 'before') throw failure()
  if (operation !== undefined) note(operation, label)
  const result = await traffic.real(work)
  if (fault === 'after') throw failure()
  return result
}

function note(operation: Operation, label: string): void {
  if (/^m?get .*grant:/.test(label)) operation.grantReadAt ??= nextPlace()
  if (/^del(ete)? .*grant:/.test(label)) operation.grantDeletedAt ??= nextPlace()
}

export function memoryBackend(): SharedBackend {
  let store = new SharedStore(() => performance.now())
  return {
    optionsFor(traffic, failure) {
      const through = <T>(label: string, work: () => T) => send(traffic, label, work, failure)
      const tokenStore: TokenStore = {
        get: (key) => through(`get ${key}`, () => store.get(key)),
        create: (key, value, ttl) => through(`create ${key}`, () => store.create(key, value, ttl, nothing)),
        replace: (key, expected, value, ttl) =>
          through(`${expected === value ? 'extend' : 'replace'} ${key}`, () =>
            store.replace(key, expected, value, ttl, nothing),
          ),
        delete: (key, expected) => through(`delete ${key}`, () => store.delete(key, expected, nothing)),
      }
      return { tokenStore }
    },
    lifeOf: async (grantID) => store.lifeOf(`grant:${grantID}`),
    grantIDs: async () => store.keys('grant:').map((key) => key.slice('grant:'.length)),
    age: async () => {},
    async clear() {
      store = new SharedStore(() => performance.now())
    },
  }
}

const ageScript = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= tonumber(ARGV[1]) then redis.call('DEL', key)
  elseif left >= 0 then redis.call('PEXPIRE', key, left - tonumber(ARGV[1])) end
end`

/** Redis does not follow the test's clock, so its keys are aged. */
export function redisBackend(redis: Redis): SharedBackend {
  const grantOf = (key: string) => /grant:\{?([\w-]+)\}?$/.exec(key)?.[1]
  const keyOf = async (grantID: string) => (await redis.keys('*')).find((key) => grantOf(key) === grantID)
  return {
    optionsFor(traffic, failure) {
      const client: RedisClient & { duplicate(): unknown; options: object } = {
        status: 'ready',
        options: {},
        call: (command: string, ...args: string[]) => {
          const label = `${command} ${args.filter((arg) => /^[\w:-]*\{[^"]*$/.test(arg)).join(' ')}`
          return send(traffic, label, () => redis.call(command, ...args), failure)
        },
        connect: async () => {},
        disconnect() {},
        duplicate: () => client,
        on: () => client,
      }
      return { redis: client }
    },
    async lifeOf(grantID) {
      const key = await keyOf(grantID)
      return key === undefined ? undefined : redis.pttl(key)
    },
    grantIDs: async () => (await redis.keys('*')).map(grantOf).filter((id) => id !== undefined),
    async age(milliseconds) {
      await redis.eval(ageScript, 0, milliseconds)
    },
    async clear() {
      await redis.flushall()
    },
  }
}
