// `npm run test:mutants [-- store/encryption store/lease …]`: changes each operator, literal and condition of the files that security hangs
// on, one at a time, and sees which changes no test notices. Stryker makes the changes; it is not among our dependencies
// and is put into a cache when it is first needed.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { coveredBy, leftOut } from './covered-by'

const version = '9.6.1'
const root = join(__dirname, '../..')
const cache = join(root, 'node_modules/.cache/stryker')
const bin = join(cache, 'node_modules/@stryker-mutator/core/bin/stryker.js')

interface Mutant {
  /** `Killed`, `Timeout`, `Survived`, `NoCoverage` … */
  status: string
  mutatorName: string
  replacement?: string
  location: { start: { line: number; column: number }; end: { line: number; column: number } }
}

if (!existsSync(bin)) {
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, 'package.json'), '{ "private": true }')
  const args = ['install', '--no-audit', '--no-fund', '--save-exact', `@stryker-mutator/core@${version}`]
  spawnSync('npm', args, { cwd: cache, stdio: 'inherit' })
}

const asked = process.argv.slice(2)
const totals = { noticed: 0, all: 0 }
const failed: string[] = []
for (const [name, tests] of Object.entries(coveredBy)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const all = mutate(name, tests)
  if (all === undefined) {
    failed.push(name)
    continue
  }
  const lines = readFileSync(join(root, `src/${name}.ts`), 'utf8').split('\n')
  const textOf = ({ location: { start, end } }: Mutant) => {
    const line = lines[start.line - 1] ?? ''
    return line.slice(start.column - 1, start.line === end.line ? end.column - 1 : line.length)
  }
  // The wording of messages may change.
  const isWording = (mutant: Mutant) =>
    mutant.mutatorName === 'StringLiteral' && /\S .*\S/.test(textOf(mutant))
  const mutants = all.filter((mutant) => !isWording(mutant))
  const missed = mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  const noticed = mutants.length - missed.length
  totals.noticed += noticed
  totals.all += mutants.length
  process.stdout.write(`\n${name}: ${noticed} of ${mutants.length} noticed\n`)
  for (const mutant of missed) {
    const { status, location, replacement, mutatorName } = mutant
    process.stdout.write(
      `  ${status} ${mutatorName} src/${name}.ts:${location.start.line}  ${textOf(mutant)}  →  ${replacement}\n`,
    )
  }
}
process.stdout.write(`\n${totals.noticed} of ${totals.all} noticed\n`)
if (failed.length > 0) process.stdout.write(`NOT TRIED, see above: ${failed.join(' ')}\n`)
process.exitCode = failed.length

/** The mutants of a file with what became of them; undefined where its tests do not pass without any. */
function mutate(name: string, tests: readonly string[]): readonly Mutant[] | undefined {
  const path = `src/${name}.ts`
  const folder = mkdtempSync(join(tmpdir(), 'mutants-'))
  const report = join(folder, 'report.json')
  const config = {
    testRunner: 'circus',
    plugins: [join(__dirname, 'circus-runner.mjs')],
    circus: { testFiles: tests.map((test) => `test/${test}.test.ts`), leftOut },
    mutate: [path],
    coverageAnalysis: 'perTest',
    concurrency: 1,
    // A socket that takes longer is not slow but dead.
    timeoutMS: 15_000,
    // Stryker would rewrite it with a compiler that TypeScript 7 does not have.
    tsconfigFile: 'none.json',
    reporters: ['json'],
    jsonReporter: { fileName: report },
    tempDirName: join(folder, 'sandbox'),
    ignorePatterns: ['docs', 'dist', 'coverage'],
    allowConsoleColors: false,
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  try {
    const { status, stdout } = spawnSync(process.execPath, [bin, 'run', join(folder, 'config.json')], {
      cwd: root,
      encoding: 'utf8',
      // Properties are tried less often, for each mutant again.
      env: { ...process.env, FUZZ_RUNS: '0.2' },
    })
    if (status !== 0 || !existsSync(report)) {
      process.stdout.write(`\n${name}: Stryker failed\n${stdout}`)
      return undefined
    }
    const { files } = JSON.parse(readFileSync(report, 'utf8')) as {
      files: Record<string, { mutants: readonly Mutant[] }>
    }
    return files[path]?.mutants.filter(({ status: verdict }) => verdict !== 'Ignored') ?? []
  } finally {
    rmSync(folder, { recursive: true })
  }
}
