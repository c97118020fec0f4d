import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The built command, as `npx passport-pagerduty` runs it. */
export const program = join(__dirname, '../../dist/cli/main.js')

/** How a run of the command ended. */
export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** One finding, as `--json` prints it. */
export interface JSONFinding {
  check: string
  level: string
  message: string
  remedy: string | null
}

/** Runs the command with nothing in its environment but this. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd = tmpdir(),
): Promise<Run> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    cwd,
  })
  const run: Run = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (run.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (run.stderr += chunk.toString()))
  run.code = await new Promise((resolve) => child.once('close', resolve))
  return run
}

/** What the doctor finds. */
export async function askDoctor(
  env: Readonly<Record<string, string | undefined>>,
  ...args: readonly string[]
): Promise<{ code: number | null; findings: JSONFinding[]; output: string }> {
  const { code, stdout, stderr } = await runCommand(['doctor', '--json', ...args], env)
  const { findings } = JSON.parse(stdout) as { findings: JSONFinding[] }
  return { code, findings, output: stdout + stderr }
}

/** The findings that need action, as `level check`. */
export function troubles(findings: readonly JSONFinding[]): string[] {
  return findings
    .filter(({ level }) => level === 'warning' || level === 'error')
    .map(({ level, check }) => `${level} ${check}`)
}

/** A running `passport-pagerduty simulate`. */
export interface Simulation {
  url: string
  /** The control page. */
  page: string
  /** What it printed to be exported. */
  env: Record<string, string>
  output: string
  /** Stops it as Ctrl-C does, or by another signal, and gives its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts the simulation, on any free port unless told otherwise, and waits until it says that it is there. */
export async function startSimulation(...args: readonly string[]): Promise<Simulation> {
  const child = spawn(process.execPath, [program, 'simulate', '--port', '0', ...args], {
    env: { PATH: process.env['PATH'] },
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const heard = (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('# The callback URL may be')) resolve()
    }
    child.stdout.on('data', heard)
    child.stderr.on('data', heard)
    void ended.then((code) => reject(new Error(`it ended with ${code}: ${output}`)))
  })
  const exported = [...output.matchAll(/^export (\w+)=(.*)$/gm)]
  const env = Object.fromEntries(
    exported.map(([, name, value]) => [name as string, (value as string).replaceAll("'", '')]),
  )
  const url = env['PAGERDUTY_IDENTITY_URL'] as string
  return {
    url,
    page: `${url}/__simulator/`,
    env,
    output,
    stop(signal = 'SIGINT') {
      child.kill(signal)
      return ended
    },
  }
}
