import { install } from '../attacks/support/install'
import { programs } from './programs'

/** Before all tests. */
export default async function globalSetup(): Promise<void> {
  sayWhatIsMissing()
  await install()
}

/** Says once and loudly what is missing, and how to get it. On CI that is a failure. */
export function sayWhatIsMissing(): void {
  // No failure on CI, which runs the tests on such a Node, too.
  if (process.getBuiltinModule('node:sqlite') === undefined)
    say(`Node ${process.versions.node} has no SQLite, its tests are left out: use Node 22.13 or newer`)
  const missing = Object.entries(programs).flatMap(([name, path]) => (path === undefined ? [name] : []))
  if (missing.length === 0) return
  const line =
    `${missing.join(' and ')} not found, the tests that need it are left out: ` +
    `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.env['CI']) throw new Error(line)
  say(line)
}

/** Loudly. */
export function say(line: string): void {
  process.stderr.write(`\n\x1b[1;31m!!! ${line}\x1b[0m\n\n`)
}
