import { type Finding, error, note, ok, warning } from './finding'
import type { RedisFacts } from './redis-probe'

/** Share of its memory from which a Redis counts as nearly full. */
const nearlyFull = 0.8

/** Settings of Redis under which logins would be lost. */
export function checkRedisSettings(facts: RedisFacts, isProduction: boolean): Finding[] {
  if (facts.info.size === 0) return []
  return [...eviction(facts), ...memory(facts, isProduction), ...persistence(facts)]
}

function eviction({ info }: RedisFacts): Finding[] {
  const policy = info.get('maxmemory_policy')
  const check = 'redis-eviction'
  if (policy === undefined)
    return [note(check, 'Redis does not show its maxmemory-policy', 'It should be noeviction.')]
  if (policy === 'noeviction') return [ok(check, 'maxmemory-policy is noeviction')]
  const whom = policy.startsWith('volatile')
    ? 'which throws away keys that have an end when memory is short, and all logins and locks have one'
    : 'which throws away logins and locks when memory is short'
  return [
    warning(
      check,
      `maxmemory-policy is ${policy}, ${whom}`,
      'Set maxmemory-policy noeviction, and watch the memory.',
    ),
  ]
}

function memory({ info }: RedisFacts, isProduction: boolean): Finding[] {
  const check = 'redis-memory'
  const [limit, used] = [Number(info.get('maxmemory')), Number(info.get('used_memory'))]
  if (!(limit > 0)) {
    const message = 'maxmemory is not set: Redis may grow until the system ends it'
    const remedy = 'Set maxmemory; a login with ten scopes takes 1.5 kB.'
    return [isProduction ? warning(check, message, remedy) : note(check, message, remedy)]
  }
  const share = used / limit
  if (share < nearlyFull) return [ok(check, `${percent(share)} of maxmemory is used`)]
  return [
    warning(
      check,
      `${percent(share)} of maxmemory is used; when it is full, no one can log in`,
      'Give Redis more memory, or find out what fills it.',
    ),
  ]
}

function persistence({ info, save }: RedisFacts): Finding[] {
  const check = 'redis-persistence'
  const failed = ['aof_last_write_status', 'rdb_last_bgsave_status'].filter(
    (name) => info.get(name) === 'err',
  )
  if (failed.length > 0) {
    return [
      error(
        check,
        `Redis could not write to its disk (${failed.join(', ')})`,
        'Look into Redis’s log: the disk is full, or not writable.',
      ),
    ]
  }
  if (info.get('aof_enabled') === '1')
    return [ok(check, 'appendonly is on: a crash loses the last second at most')]
  if (save === '') {
    return [
      warning(
        check,
        'Redis keeps nothing on disk: when it restarts, all users have to log in again',
        'Set appendonly yes.',
      ),
    ]
  }
  if (save === undefined) {
    return [
      note(
        check,
        'appendonly is off, and CONFIG is forbidden, so snapshots cannot be seen',
        'Look where the service is administrated: without persistence a restart logs all users out.',
      ),
    ]
  }
  return [
    note(
      check,
      'Only snapshots are kept: after a crash, tokens that were refreshed since the last one are used up',
      'Set appendonly yes.',
    ),
  ]
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
