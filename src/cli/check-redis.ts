import { type Finding, error, note, ok, warning } from './finding'
import { type RedisFacts, probeRedis } from './redis-probe'
import { checkRedisSettings } from './redis-settings'

/** Oldest Redis that has what the package sends: SET with KEEPTTL. */
const oldest = 6
/** Milliseconds; nearly every request waits for one. */
const slow = 50

/** Redis: there, let in, new enough, and fit for logins. */
export async function checkRedis(redis: string, isProduction: boolean): Promise<Finding[]> {
  const place = hostOf(redis)
  let facts: RedisFacts
  try {
    facts = await probeRedis(redis)
  } catch (failure) {
    return [unreachable(failure as Error, place, /^(rediss|valkeys):/i.test(redis))]
  }
  const found = [...kindOf(facts, place), ...allowed(facts), ...versionOf(facts), ...distance(facts)]
  return [...found, ...checkRedisSettings(facts, isProduction)]
}

function unreachable({ message }: Error, place: string, hasTLS: boolean): Finding {
  const [, remedy] = troubles.find(([pattern]) => pattern.test(message)) ?? []
  const said = message.replace(/^Ready check failed: /, '')
  const usual = hasTLS
    ? 'Check host and port; where Redis speaks no TLS, write redis:// and not rediss://.'
    : 'Check host and port; where Redis demands TLS, write rediss:// and not redis://.'
  return error('redis', `Redis at ${place} cannot be used: ${said}`, remedy ?? usual)
}

const troubles: readonly (readonly [RegExp, string])[] = [
  [/NOAUTH/, 'Redis demands a password: redis://:password@host, or redis://user:password@host.'],
  [
    /WRONGPASS|invalid password/i,
    'Correct user and password in the URL; special characters have to be percent-encoded.',
  ],
  [/ECONNREFUSED/, 'Nothing listens there: start Redis, or correct host and port in the URL.'],
  [/ENOTFOUND|EAI_AGAIN/, 'The host name is not known here: correct it in the URL.'],
  [/certificate|self.signed/i, 'Let NODE_EXTRA_CA_CERTS name the authority that signed Redis’s certificate.'],
]

function kindOf({ info }: RedisFacts, place: string): Finding[] {
  if (info.get('redis_mode') === 'sentinel') {
    return [
      error(
        'redis-kind',
        `${place} is a Sentinel, and no Redis that keeps data`,
        'Pass a client of ioredis with the option sentinels as the option redis.',
      ),
    ]
  }
  if (info.get('cluster_enabled') === '1') {
    return [
      error(
        'redis-kind',
        `${place} is a node of a Redis Cluster, and a URL leads to one node only`,
        'Pass a Cluster client of ioredis as the option redis.',
      ),
    ]
  }
  if (info.get('role') === 'slave') {
    return [
      error(
        'redis-kind',
        `${place} is a replica, where nothing can be written and reads are stale`,
        'Let the URL name the master, or pass a client of ioredis with the option sentinels.',
      ),
    ]
  }
  return [ok('redis', `Redis at ${place} responds`)]
}

/** What the kind of server explains needs no second finding. */
function allowed({ refusal, info }: RedisFacts): Finding[] {
  const explained = info.get('cluster_enabled') === '1' || info.get('role') === 'slave'
  if (refusal === undefined) return [ok('redis-commands', 'The commands of the package work')]
  if (explained || info.get('redis_mode') === 'sentinel') return []
  const { message } = refusal
  return [
    error(
      'redis-commands',
      `Redis does not do what the package needs: ${message}`,
      message.includes('NOPERM')
        ? 'Let the user have: +get +set +del +mget +eval +pexpire, and the keys pagerduty:*.'
        : 'Make Redis take writes: memory, disk and its own log say why it does not.',
    ),
  ]
}

function versionOf({ info }: RedisFacts): Finding[] {
  const version = info.get('redis_version')
  if (version === undefined) {
    return [
      note(
        'redis-version',
        'INFO is forbidden, so version, memory and persistence cannot be seen',
        'Look at them where the service is administrated.',
      ),
    ]
  }
  if (Number.parseInt(version, 10) >= oldest) return [ok('redis-version', `Redis ${version}`)]
  return [
    error(
      'redis-version',
      `Redis ${version} is too old: SET has no KEEPTTL there`,
      `Use Redis ${oldest}.0 or newer.`,
    ),
  ]
}

function distance({ roundTrip }: RedisFacts): Finding[] {
  const message = `${roundTrip.toFixed(1)} ms to Redis and back`
  if (roundTrip < slow) return [ok('redis-latency', message)]
  return [
    warning(
      'redis-latency',
      `${message}, and nearly every request waits for one`,
      'Let app and Redis run in the same region.',
    ),
  ]
}

/** Without user and password. */
function hostOf(url: string): string {
  if (!URL.canParse(url)) return 'REDIS_URL'
  const { hostname, port } = new URL(url)
  return `${hostname || 'localhost'}:${port || 6379}`
}
