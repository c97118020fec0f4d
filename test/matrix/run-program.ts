import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs a program, and returns what it printed. Rejects with all that it printed when it fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  // Nothing of this process but where programs and the user's files are: no FORCE_COLOR, no NODE_OPTIONS.
  const { PATH = '', HOME = '' } = process.env
  const options = { cwd, env: { PATH, HOME, ...env }, maxBuffer: 2 ** 26, timeout: 300_000 }
  try {
    return (await promisify(execFile)(command, args, options)).stdout
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string }
    throw new Error([message, stdout, stderr].join('\n'), { cause: error })
  }
}
