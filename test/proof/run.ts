// npm run test:proof
// Checks the models of this folder exhaustively with Spin (https://spinroot.com), within bounds, and sees each property fail
// when a safeguard is taken out. Needs the programs spin and gcc (Debian: apt-get install spin gcc libc6-dev).
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Bounds = Readonly<Record<string, number | true>>

interface Row {
  readonly model: string
  readonly bounds: Bounds
  /** Checks that every waiting process settles, with weak fairness; else the assertions, and that nothing is stuck. */
  readonly isLiveness?: boolean
}

interface Result {
  readonly states: number
  readonly depth: number
  readonly seconds: number
  /** The property that does not hold. */
  readonly violated: string | undefined
}

const once = { FAILURES: 1, LOSSES: 1, FREEZES: 1, CRASHES: 1, LOGOUTS: 1, KEEPS: 1 }
const two = { PROCESSES: 2, REQUESTS: 1, ...once }
const none = { FAILURES: 0, LOSSES: 0, FREEZES: 0, CRASHES: 0, LOGOUTS: 0, KEEPS: 0 }
const three = { PROCESSES: 3, REQUESTS: 1, ...none }
const events = { DELIVERIES: 3, FAILURES: 1, REFUSALS: 1, FREEZES: 1, CRASHES: 1, DUPLICATES: 2 }
const callbacks = { FAILURES: 2, REFUSALS: 1, CRASHES: 1, LOGOUTS: 1 }

const proofs: readonly Row[] = [
  { model: 'refresh', bounds: two },
  { model: 'refresh', bounds: { ...two, GRACE: true } },
  { model: 'refresh', bounds: { ...two, FAMILY: true } },
  { model: 'refresh', bounds: { ...two, FAILURES: 2, KEEPS: 0 } },
  { model: 'refresh', bounds: { ...two, LOSSES: 2, KEEPS: 0 } },
  { model: 'refresh', bounds: { ...two, REQUESTS: 2 } },
  { model: 'refresh', bounds: { ...three, FAILURES: 1, FREEZES: 1, CRASHES: 1, LOGOUTS: 1 } },
  { model: 'refresh', bounds: { ...three, LOSSES: 1, FREEZES: 1, CRASHES: 1 } },
  { model: 'refresh', bounds: { ...three, LOSSES: 1, FREEZES: 1, LOGOUTS: 1 } },
  { model: 'refresh', bounds: { ...two, LOGOUTS: 0, KEEPS: 0 }, isLiveness: true },
  { model: 'refresh', bounds: { ...two, LOSSES: 0, CRASHES: 0 }, isLiveness: true },
  { model: 'webhook', bounds: events },
  { model: 'webhook', bounds: { ...events, FAILURES: 2, REFUSALS: 2 } },
  { model: 'webhook', bounds: events, isLiveness: true },
  { model: 'login', bounds: callbacks },
  { model: 'login', bounds: callbacks, isLiveness: true },
]

const safeguards: Readonly<Record<string, Readonly<Record<string, Bounds>>>> = {
  refresh: {
    LEASE: two,
    CHECK: two,
    REREAD: two,
    OWNER: two,
    COMPARE: two,
    COMPARE_AT_END: two,
    WRITE_BEHIND: two,
    REBASE: two,
    EXPIRY: { ...two, LOSSES: 0, LOGOUTS: 0, KEEPS: 0 },
  },
  webhook: { LEASE: events, OWNER: events, FAILURE: events, EXPIRY: events },
  login: {
    REDEEMING: callbacks,
    LISTING_FIRST: callbacks,
    COMPARE: callbacks,
    WITHDRAWING: callbacks,
    REMOVING: callbacks,
    OVERRULING: callbacks,
  },
}

function check({ model, bounds, isLiveness = false }: Row): Result {
  const folder = mkdtempSync(join(tmpdir(), 'proof-'))
  const run = (program: string, args: readonly string[]) =>
    execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe', maxBuffer: 1e8 })
  try {
    const file = `${model}.pml`
    copyFileSync(join(__dirname, file), join(folder, file))
    const defines = Object.entries(bounds).map(([name, value]) =>
      value === true ? `-D${name}` : `-D${name}=${value}`,
    )
    run('spin', ['-a', ...defines, file])
    const mode = isLiveness ? ['-DNFAIR=5'] : ['-DSAFETY', '-DNOCLAIM', '-DCOLLAPSE']
    run('gcc', ['-w', '-O2', '-DMEMLIM=4000', ...mode, '-o', 'pan', 'pan.c'])
    const said = run('./pan', isLiveness ? ['-a', '-f', '-m100000'] : ['-m100000'])
    if (/out of memory|max search depth too small/.test(said))
      throw new Error(`${file} is not checked: ${said}`)
    const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? NaN)
    return {
      states: number(/([\de.+]+) states, stored/),
      depth: number(/depth reached (\d+)/),
      seconds: number(/elapsed time ([\d.]+)/),
      violated: existsSync(join(folder, `${file}.trail`))
        ? violatedIn(run('spin', ['-t', ...defines, file]), said, model)
        : undefined,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The comment on the assertion that failed, which stands on its line or above it. */
function violatedIn(trail: string, said: string, model: string): string {
  const lines = readFileSync(join(__dirname, `${model}.pml`), 'utf8').split('\n')
  const line = /:(\d+), Error: assertion violated/.exec(trail)?.[1]
  if (line === undefined)
    return said.includes('acceptance cycle') ? 'whoever waits settles' : 'nothing is stuck'
  const near = lines.slice(0, Number(line)).reverse()
  return near.map((text) => /property: (.*?) \*\//.exec(text)?.[1]).find((text) => text !== undefined) ?? line
}

function describe({ model, bounds, isLiveness }: Row): string {
  const said = Object.entries(bounds).flatMap(([name, value]) => {
    if (value === 0) return []
    return [value === true ? name.toLowerCase() : `${value} ${name.toLowerCase()}`]
  })
  return `${model}${isLiveness ? ' (settles)' : ''}: ${said.join(', ')}`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

let failed = 0
for (const row of proofs) {
  const { states, depth, seconds, violated } = check(row)
  if (violated !== undefined) failed++
  const result = violated === undefined ? 'holds' : `DOES NOT HOLD: ${violated}`
  print(`${result}  ${describe(row)}  ${states} states, depth ${depth}, ${seconds} s`)
}
for (const [model, without] of Object.entries(safeguards)) {
  for (const [name, bounds] of Object.entries(without)) {
    const row = { model, bounds: { ...bounds, [`WITHOUT_${name}`]: true as const } }
    const { violated } = check(row)
    const stuck = violated ?? check({ ...row, isLiveness: true }).violated
    if (stuck === undefined) failed++
    print(
      `${stuck === undefined ? 'NOT SEEN' : 'seen'}  ${model} without ${name}: ${stuck ?? 'nothing fails'}`,
    )
  }
}
print(failed === 0 ? 'All of it holds.' : `${failed} DO NOT HOLD`)
process.exit(failed === 0 ? 0 : 1)
