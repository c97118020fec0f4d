import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Check } from './check'
import { type Installed, countPackages } from './install'
import { type Express, expresses } from './pins'
import { runProgram } from './run-program'

/** What the tarball is, for those who have not loaded it yet. */
export function packagingChecks(installed: Installed): Check[] {
  const { tarball, tools } = installed
  const program = (name: string) => join(tools, 'node_modules/.bin', name)
  const rows: Record<string, Check['run']> = {
    'publint --strict': async () => {
      const said = await runProgram(program('publint'), ['run', tarball, '--strict'], tools)
      if (!said.includes('All good!')) throw new Error(said)
    },
    'attw, all kinds of resolution': async () => {
      const said = await runProgram(program('attw'), [tarball, '--format', 'ascii', '--no-emoji'], tools)
      if (!said.includes('No problems found')) throw new Error(said)
    },
    'less than 210 kB': async () => {
      const { size } = await stat(tarball)
      if (size >= 210_000) throw new Error(`${size} bytes`)
      return `${(size / 1000).toFixed(1)} kB`
    },
  }
  for (const version of Object.keys(expresses) as Express[]) {
    rows[`at most 95 packages installed, Express ${expresses[version].express} included`] = async () => {
      const count = await countPackages(installed, version)
      if (!(count > 1 && count <= 95)) throw new Error(`${count} packages`)
      return String(count)
    }
  }
  return Object.entries(rows).map(([row, run]) => ({ table: 'The tarball', row, column: 'result', run }))
}
