// `npm run test:mutations`: takes each safeguard of the refresh away in a copy of the project, and sees its test fail.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutation, mutations } from './mutations'

const root = join(__dirname, '../..')
const copy = mkdtempSync(join(tmpdir(), 'mutations-'))
for (const name of ['src', 'test', 'example-app', 'package.json', 'jest.config.ts', 'tsconfig.json'])
  cpSync(join(root, name), join(copy, name), { recursive: true })
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))

let survivors = 0
for (const mutation of mutations) {
  const [path, test] = mutation.caughtBy
  const verdict = !passes(path, test)
    ? 'THE TEST FAILS WITHOUT IT'
    : survives(mutation)
      ? 'SURVIVES'
      : 'caught'
  if (verdict !== 'caught') survivors += 1
  process.stdout.write(`${verdict}  ${mutation.name}  (${path}: ${test})\n`)
}
rmSync(copy, { recursive: true })
process.stdout.write(`${mutations.length - survivors} of ${mutations.length} mutations caught\n`)
process.exitCode = survivors === 0 ? 0 : 1

function survives({ file, old, new: replacement, caughtBy }: Mutation): boolean {
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  if (text.split(old).length !== 2) throw new Error(`${file} does not hold exactly once: ${old}`)
  writeFileSync(
    path,
    text.replace(old, () => replacement),
  )
  try {
    return passes(...caughtBy)
  } finally {
    writeFileSync(path, text)
  }
}

function passes(path: string, test: string): boolean {
  // A test that fails may leave open what keeps Jest from ending.
  const args = ['--forceExit', path, '--testNamePattern', test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')]
  const { status, stderr } = spawnSync(join(root, 'node_modules/.bin/jest'), args, {
    cwd: copy,
    encoding: 'utf8',
  })
  if (!/Tests: .*[1-9]\d* (passed|failed)/.test(stderr))
    throw new Error(`${path} has no test "${test}"\n${stderr}`)
  return status === 0
}
