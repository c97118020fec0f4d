import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type Finding, type Rows, count, ratio, whereItRuns } from '../bench'
import { interleave, median, ratioOf, showRatio } from '../figures'
import { npm } from '../peers'

const ours = 'passport-pagerduty'
const openID = 'express-openid-connect'
const byHand = 'hand-written'
const imports: Record<string, readonly string[]> = {
  [ours]: [ours],
  [openID]: [openID],
  '@auth/express': ['@auth/express'],
  [byHand]: ['express-session', 'connect-redis', 'ioredis', 'passport', 'passport-oauth2'],
}

/** What it takes to have the package: to import it, to install it, to hold grants in memory. */
export async function size({ isQuick, packed, versions, progress }: Bench): Promise<Finding> {
  const notes: string[] = []
  const names = Object.keys(imports)
  const runnable = await whereItRuns(names, notes, async (name) => importTime(imports[name] ?? []))
  const times = await interleave(isQuick ? 5 : 15, [...runnable.keys()], (name) => {
    progress(`size: import of ${name}`)
    return importTime(imports[name] ?? [])
  })
  const wanted: Record<string, readonly string[]> = {
    [ours]: [packed.tarball],
    ...(!isQuick && {
      [openID]: [`${openID}@${versions[openID]}`],
      '@auth/express': [`@auth/express@${versions['@auth/express']}`],
      [byHand]: (imports[byHand] ?? []).map((name) => `${name}@${versions[name]}`),
    }),
  }
  const installs = await whereItRuns(Object.keys(wanted), notes, async (name) => {
    progress(`size: installing ${name}`)
    return installSize([...(wanted[name] ?? []), `express@${versions['express']}`])
  })
  progress('size: grants in memory')
  const heap = heapOfGrants(10_000)
  const rows: Rows = [['', 'import, ms', `against ${openID}`, 'packages, with Express', 'MB on disk']]
  for (const name of runnable.keys()) {
    const installed = installs.get(name)
    rows.push([
      name,
      Math.round(median(times[name] ?? [])),
      times[openID] ? showRatio(ratioOf(times[name] ?? [], times[openID])) : '',
      installed?.packages ?? '–',
      installed ? (installed.bytes / 1e6).toFixed(1) : '–',
    ])
  }
  notes.push(
    `Packed, this package has ${packed.files} files and ${(packed.size / 1000).toFixed(1)} kB.`,
    `10,000 grants of ten scopes, with their sessions, take ${(heap / 1e6).toFixed(1)} MB of heap in a MemoryTokenStore.`,
  )
  const goals = [count('packed size, kB', packed.size / 1000, 210)]
  const mine = installs.get(ours)
  if (mine) goals.push(count('packages installed, Express among them', mine.packages, 95))
  if (times[openID] && times[ours]) {
    const spread = ratioOf(times[ours], times[openID])
    goals.push(ratio(`import against ${openID}`, spread.median, 1, showRatio(spread)))
  }
  return {
    title: 'Import and size',
    how: `Import: a process of its own each time, ${isQuick ? 5 : 15} interleaved rounds. Packages: npm install of the packed package and Express into an empty folder.`,
    rows,
    notes,
    goals,
    plots: {},
  }
}

/** Milliseconds of the imports alone, in a new process. */
function importTime(names: readonly string[]): Promise<number> {
  const program = `const t = performance.now(); for (const n of ${JSON.stringify(names)}) await import(n); console.log(performance.now() - t)`
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: join(__dirname, '..'),
    encoding: 'utf8',
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return Promise.resolve(Number(said))
}

function installSize(packages: readonly string[]): { packages: number; bytes: number } {
  const folder = mkdtempSync(join(tmpdir(), 'installed-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    npm(['install', '--omit=dev', ...packages], folder)
    const listed = npm(['ls', '--all', '--parseable'], folder).trim().split('\n')
    return { packages: new Set(listed).size - 1, bytes: bytesOf(join(folder, 'node_modules')) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sum + bytesOf(path)
    return entry.isFile() ? sum + statSync(path).size : sum
  }, 0)
}

function heapOfGrants(grants: number): number {
  const said = execFileSync(
    process.execPath,
    ['--expose-gc', '--require', 'esbuild-register', join(__dirname, '../apps/heap.ts'), String(grants)],
    { encoding: 'utf8' },
  )
  return Number(said)
}
