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

/** The findings that somebody has to do something about, as `level check`. */
export function troubles(findings: readonly JSONFinding[]): string[] {
  return findings
    .filter(({ level }) => level === 'warning' || level === 'error')
    .map(({ level, check }) => `${level} ${check}`)
}
