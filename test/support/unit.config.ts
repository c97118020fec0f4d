/** @jest-config-loader esbuild-register */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from 'jest'
import root from '../../jest.config'

const folder = join(__dirname, '..')

/** What starts a process or a server, or tries for longer than anybody likes to wait. */
const slow =
  /child_process|app-process|describeWith|fast-check|startPagerDuty|createServer|\.listen\(|support\/(redis|postgres|sqlite|chromium|worker|command|nginx|drop-in|app|fault-server|passport-app)'/
const folders = /^(attacks|benchmark|cli|docs|example-app|faults|flows|fuzz|matrix|newcomer|package|scale)\//

const quick = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (file) =>
    file.endsWith('.test.ts') && !folders.test(file) && !slow.test(readFileSync(join(folder, file), 'utf8')),
)

/** `npm run test:unit`: the tests of the wings that need nothing but Node. */
const config: Config = {
  ...root,
  rootDir: '../..',
  testMatch: quick.map((file) => `<rootDir>/test/${file}`),
}
delete config.globalSetup

export default config
