import { X509Certificate } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Simulator } from '../testing'

/** How often what has changed is written, in milliseconds. */
const saveInterval = 1000

/** A whole file or none, for the user alone. */
function replaceFile(file: string, content: string | Uint8Array): void {
  // A link stays one.
  const target = existsSync(file) ? realpathSync(file) : file
  const next = `${target}.${process.pid}.tmp`
  rmSync(next, { force: true })
  writeFileSync(next, content, { mode: 0o600, flag: 'wx' })
  renameSync(next, target)
}

/** Makes an error of the file system one about the option. */
function about<Result>(option: string, file: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`${option} ${file}: ${code ?? message}`, { cause: error })
  }
}

/** The content of a file, if there is one. A pipe or a device would be read for ever. */
function contentOf(file: string): Buffer | undefined {
  if (file === '') throw new Error('needs the name of a file')
  if (!existsSync(file)) return undefined
  if (!statSync(file).isFile()) throw new Error('is no regular file')
  return readFileSync(file)
}

/** Writes the variables; only over a file that begins as they do, and so is of an earlier run. */
export function writeVariables(file: string, text: string): void {
  const [first = ''] = text.split('\n', 1)
  about('--out', file, () => {
    if (contentOf(file)?.toString().startsWith(first) === false)
      throw new Error('is there and not of an earlier simulate: name another file, or remove it')
    replaceFile(file, text)
  })
}

export function readState(file: string): Uint8Array | undefined {
  return about('--state', file, () => contentOf(file))
}

/** Keeps the file as the simulator is, until the function that it returns has written it for the last time. */
export function keepState(simulator: Simulator, file: string): () => void {
  let written = ''
  const save = () => {
    const state = simulator.saveState()
    const content = Buffer.from(state).toString('latin1')
    if (content !== written) about('--state', file, () => replaceFile(file, state))
    written = content
  }
  save()
  const timer = setInterval(() => {
    try {
      save()
    } catch (error) {
      process.stderr.write(`${(error as Error).message}\n`)
    }
  }, saveInterval).unref()
  return () => {
    clearInterval(timer)
    save()
  }
}

/**
 * Puts a certificate where NODE_EXTRA_CA_CERTS can name it: beside the state, which has its key, for as long as that is kept; else
 * until it is removed.
 */
export function writeCertificate(
  certificate: string,
  state: string | undefined,
): { file: string; remove: () => void } {
  if (state !== undefined) {
    const file = `${resolve(state)}.pem`
    about('--tls', file, () => {
      const before = contentOf(file)
      if (before !== undefined && !isSimulators(before))
        throw new Error('is there and not of an earlier simulate')
      replaceFile(file, certificate)
    })
    return { file, remove: () => {} }
  }
  const file = join(mkdtempSync(join(tmpdir(), 'passport-pagerduty-')), 'certificate.pem')
  writeFileSync(file, certificate)
  return { file, remove: () => rmSync(dirname(file), { recursive: true, force: true }) }
}

function isSimulators(certificate: Buffer): boolean {
  try {
    return new X509Certificate(certificate).subject === 'CN=PagerDuty simulator'
  } catch {
    return false
  }
}
