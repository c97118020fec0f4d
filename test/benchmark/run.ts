// npm run bench -- [section …] [--quick] [--long] [--write]
//   section  guarded-request, refresh, login, app-token, webhook, size, redis, stores; all of them if none is named
//   --quick  fewer rounds
//   --long   also a million users in Redis, and a million rows in SQLite and PostgreSQL
//   --write  brings docs/benchmark.md and its drawings up to date
// npm run bench -- --soak [--minutes 60] [--store redis] [--write]
//   --minutes  how long, an hour if not given
//   --store    redis, sqlite, postgres or memory, started for this run; or sqlite:FILE, a file to make
import { parseArgs } from 'node:util'
import type { Bench, Finding } from './bench'
import { isMet, wantedOf } from './bench'
import { installAll, installOurs } from './peers'
import { conditions, inTerminal, writeDocs } from './report'
import { appToken } from './sections/app-token'
import { guardedRequest } from './sections/guarded-request'
import { login } from './sections/login'
import { redisMemory } from './sections/redis-memory'
import { refresh } from './sections/refresh'
import { size } from './sections/size'
import { stores } from './sections/stores'
import { webhook } from './sections/webhook'
import { soak } from './soak/soak'

const sections: Record<string, (bench: Bench) => Promise<Finding>> = {
  'guarded-request': guardedRequest,
  refresh,
  login,
  'app-token': appToken,
  webhook,
  size,
  redis: redisMemory,
  stores,
}

const options = {
  quick: { type: 'boolean', default: false },
  long: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  soak: { type: 'boolean', default: false },
  minutes: { type: 'string', default: '60' },
  store: { type: 'string', default: 'redis' },
} as const

async function main(args: string[]): Promise<void> {
  const startedAt = performance.now()
  const { values, positionals: named } = parseArgs({ args, options, allowPositionals: true })
  const unknown = named.filter((name) => !(name in sections))
  if (unknown.length > 0) {
    throw new Error(`no section "${unknown.join('", "')}"; there are ${Object.keys(sections).join(', ')}`)
  }
  const installed = values.soak ? { packed: installOurs(progress), versions: {} } : installAll(progress)
  const bench: Bench = { isQuick: values.quick, isLong: values.long, progress, ...installed }
  const wanted: [string, (bench: Bench) => Promise<Finding>][] = values.soak
    ? [['soak', () => soak({ minutes: minutesIn(values.minutes), store: values.store, progress })]]
    : Object.entries(sections).filter(([name]) => named.length === 0 || named.includes(name))
  const findings: Record<string, Finding> = {}
  for (const [name, run] of wanted) {
    const finding = await run(bench)
    progress('')
    process.stdout.write(`\n${inTerminal(finding)}\n`)
    findings[name] = finding
  }
  process.stdout.write(`\n${conditions(bench, performance.now() - startedAt)}\n`)
  if (values.write) writeDocs(findings, conditions(bench, performance.now() - startedAt))
  const failed = Object.values(findings).flatMap(({ goals }) =>
    goals.filter((goal) => goal.isCount && !isMet(goal)),
  )
  for (const goal of failed) {
    const { what, value } = goal
    process.stderr.write(`\u001b[1;31mDOES NOT HOLD: ${what}: ${value}, wanted ${wantedOf(goal)}\u001b[0m\n`)
  }
  // Connections of peers may be open still.
  process.exit(failed.length === 0 ? 0 : 1)
}

function minutesIn(text: string): number {
  const minutes = Number(text)
  if (minutes > 0 && minutes <= 10_000) return minutes
  throw new Error(`--minutes ${text}: must be a number of minutes`)
}

/** One line that is written over, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`\n${error.stack}\n`)
  process.exit(1)
})
