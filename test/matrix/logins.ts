import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { examplesOf } from '../docs/examples'
import { followQuickStart } from '../newcomer/quick-start'
import { visit } from '../newcomer/visit'
import type { Check } from './check'
import type { Installed } from './install'
import { loginProgram } from './login-program'
import { type Express, expresses, nodes } from './pins'
import { runProgram } from './run-program'

type Major = keyof typeof nodes

const majors = Object.keys(nodes) as Major[]
const versions = Object.keys(expresses) as Express[]
const formats = { CommonJS: 'login.cjs', ESM: 'login.mjs' } as const

/** The PATH of a user with this Node version. */
function pathWith({ tools }: Installed, major: Major): string {
  return `${join(tools, `node_modules/node-${major}/bin`)}:${process.env['PATH'] ?? ''}`
}

function everyNode(
  table: string,
  row: (version: Express) => string,
  run: (version: Express, major: Major) => Promise<string | void>,
): Check[] {
  return versions.flatMap((version) =>
    majors.map((major) => ({
      table,
      row: row(version),
      column: `Node ${nodes[major]}`,
      run: () => run(version, major),
    })),
  )
}

/** Logins over HTTP, each kept in memory or in a database of Redis of its own. */
export async function loginChecks(installed: Installed, redisURL: string): Promise<Check[]> {
  let database = 0
  const checks: Check[] = []
  for (const [format, file] of Object.entries(formats) as [keyof typeof formats, string][]) {
    for (const version of versions) {
      await writeFile(join(installed.projects[version].plain, file), loginProgram(format))
    }
    for (const store of ['memory', 'Redis']) {
      const row = (version: Express) => `Express ${expresses[version].express}, ${format}, ${store}`
      checks.push(
        ...everyNode('Login, API call and logout over HTTP', row, async (version, major) => {
          const env = {
            PATH: pathWith(installed, major),
            ...(store === 'Redis' && { REDIS_URL: `${redisURL}/${database++}` }),
          }
          const said = await runProgram('node', [file], installed.projects[version].plain, env)
          if (said !== `logged in and out on v${nodes[major]}\n`) throw new Error(said)
        }),
      )
    }
  }
  return checks
}

/** The example as Jest and Vitest have it: they have no `t.after`. */
function closingAfterEach(code: string): string {
  const rest = code.replace('async (t) =>', 'async () =>').replaceAll('t.after(', 'closing.push(')
  return `${rest}\nconst closing = []\nafterEach(() => Promise.all(closing.splice(0).map((close) => close())))\n`
}

/** The test of docs/testing.md with `loginAs`, as users of two runners write it. */
export async function runnerChecks(installed: Installed): Promise<Check[]> {
  const example = examplesOf('docs/testing.md').find(({ code }) => code.includes('loginAs('))
  if (example === undefined) throw new Error('docs/testing.md shows no loginAs')
  const from = /^import \{ test \} from 'node:test'\n/m
  const compiled = (code: string, format: 'cjs' | 'esm') =>
    transformSync(code, { loader: 'ts', format, target: 'node20' }).code
  for (const version of versions) {
    const { full } = installed.projects[version]
    await mkdir(join(full, 'jest'), { recursive: true })
    await mkdir(join(full, 'vitest'), { recursive: true })
    const code = closingAfterEach(version === '4' ? passingOn(example.code) : example.code)
    await writeFile(join(full, 'jest/login.test.js'), compiled(code.replace(from, ''), 'cjs'))
    const vitest = code.replace(from, "import { afterEach, test } from 'vitest'\n")
    await writeFile(join(full, 'vitest/login.test.mjs'), compiled(vitest, 'esm'))
  }
  const runners = {
    Jest: ['node_modules/jest/bin/jest.js', '--rootDir', 'jest', '--json', '--ci'],
    Vitest: ['node_modules/vitest/vitest.mjs', 'run', '--root', 'vitest', '--reporter=json'],
  }
  return Object.entries(runners).flatMap(([name, command]) =>
    everyNode(
      "A user's own test with `loginAs`",
      (version) => `${name}, Express ${expresses[version].express}`,
      async (version, major) => {
        const env = { PATH: pathWith(installed, major) }
        const said = await runProgram('node', command, installed.projects[version].full, env)
        const { numPassedTests, numTotalTests } = JSON.parse(said) as Record<string, number>
        if (numPassedTests !== 1 || numTotalTests !== 1) throw new Error(said)
      },
    ),
  )
}

/** Express 4 does not catch what an async handler throws, so its users pass it to `next`. */
function passingOn(code: string): string {
  return code.replace(
    /async \(req, res\) => \{\n([^]*?)\n {2}\}\)\n/,
    '(req, res, next) => {\n(async () => {\n$1\n})().catch(next)\n})\n',
  )
}

/** What the README says, in an empty folder. */
export function newcomerChecks(installed: Installed): Check[] {
  return everyNode(
    'The quick start from an empty folder',
    (version) => `Express ${expresses[version].express}`,
    async (version, major) => {
      const { express } = expresses[version]
      const path = pathWith(installed, major)
      const walk = await followQuickStart({ tarball: installed.tarball, express, path, visit })
      if (!walk.page.startsWith('Hello PACME01 of acme ')) throw new Error(walk.transcript)
      if (walk.seconds > 300) throw new Error(`It took ${walk.seconds} seconds`)
      return `ok, ${walk.seconds.toFixed(0)} s`
    },
  )
}
