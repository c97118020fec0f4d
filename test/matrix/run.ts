import { writeFileSync } from 'node:fs'
import { programs } from '../support/programs'
import { startRedis } from '../support/redis'
import { type Check, report, runAll } from './check'
import { elsewhereChecks } from './elsewhere'
import { firefoxChecks } from './firefox'
import { install } from './install'
import { loginChecks, newcomerChecks, runnerChecks } from './logins'
import { packagingChecks } from './packaging'
import { typeChecks } from './types'

// npm run test:matrix -- [part of a table's name or a row's …]
//   MATRIX_CACHE=folder     where Nodes, compilers and projects are installed, and found again
//   MATRIX_MARKDOWN=file    where the tables are written
async function main(): Promise<void> {
  const wanted = process.argv.slice(2)
  const isWanted = ({ table, row, column }: Check) =>
    wanted.every((word) => `${table} ${row} ${column}`.includes(word))
  if (programs['redis-server'] === undefined) throw new Error('redis-server is not installed')
  const installed = await install(say)
  const redis = await startRedis({ more: ['--databases', 64] })
  try {
    const checks = [
      ...packagingChecks(installed),
      ...(await typeChecks(installed)),
      ...(await loginChecks(installed, redis.url)),
      ...(await elsewhereChecks(installed, redis.url)),
      ...(await runnerChecks(installed)),
      ...newcomerChecks(installed),
      ...(await firefoxChecks(installed, say)),
    ].filter(isWanted)
    if (checks.length === 0) throw new Error('Nothing of that name')
    const results = await runAll(checks, say)
    const text = report(results)
    process.stdout.write(`\n${text}`)
    const file = process.env['MATRIX_MARKDOWN']
    if (file !== undefined) writeFileSync(file, text)
    if (results.some(({ complaint }) => complaint !== undefined)) process.exitCode = 1
  } finally {
    await redis.stop()
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

main().catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
