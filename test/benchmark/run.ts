// npm run bench -- [section …] [--quick] [--long] [--write]
//   section  guarded-request, refresh, login, app-token, webhook, size, redis, stores; all of them if none is named
//   --quick  fewer rounds
//   --long   also a million users in Redis, and a million rows in SQLite and PostgreSQL
//   --write  brings docs/benchmark.md and its drawings up to date
import type { Bench, Finding } from './bench'
import { isMet, wantedOf } from './bench'
import { installAll } from './peers'
import { conditions, inTerminal, writeDocs } from './report'
import { appToken } from './sections/app-token'
import { guardedRequest } from './sections/guarded-request'
import { login } from './sections/login'
import { redisMemory } from './sections/redis-memory'
import { refresh } from './sections/refresh'
import { size } from './sections/size'
import { stores } from './sections/stores'
import { webhook } from './sections/webhook'

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

async function main(args: readonly string[]): Promise<void> {
  const startedAt = performance.now()
  const named = args.filter((arg) => !arg.startsWith('--'))
  const unknown = named.filter((name) => !(name in sections))
  if (unknown.length > 0) {
    throw new Error(`no section "${unknown.join('", "')}"; there are ${Object.keys(sections).join(', ')}`)
  }
  const bench: Bench = {
    isQuick: args.includes('--quick'),
    isLong: args.includes('--long'),
    progress,
    ...installAll(progress),
  }
  const findings: Record<string, Finding> = {}
  for (const [name, run] of Object.entries(sections)) {
    if (named.length > 0 && !named.includes(name)) continue
    const finding = await run(bench)
    progress('')
    process.stdout.write(`\n${inTerminal(finding)}\n`)
    findings[name] = finding
  }
  process.stdout.write(`\n${conditions(bench, performance.now() - startedAt)}\n`)
  if (args.includes('--write')) writeDocs(findings, conditions(bench, performance.now() - startedAt))
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

/** One line that is written over, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`\n${error.stack}\n`)
  process.exit(1)
})
