import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const modules = join(__dirname, 'node_modules')

/** The packed package, and what npm says of it. */
export interface Packed {
  tarball: string
  /** Bytes of the tarball. */
  size: number
  files: number
}

/** A path inside of what is installed for the benchmark. */
export function installed(...path: string[]): string {
  return join(modules, ...path)
}

/**
 * Installs the peers, if they are not there yet, and beside them this package as it is published.
 *
 * @returns the versions of the peers; what could not be installed is undefined
 */
export function installAll(progress: (what: string) => void): {
  packed: Packed
  versions: Record<string, string | undefined>
} {
  const { dependencies } = read(join(__dirname, 'package.json'))
  const peers = Object.entries(dependencies ?? {})
  if (peers.some(([name, pin]) => versionOf(name) !== pin)) {
    progress('installing the peers')
    try {
      npm(['install', '--no-package-lock'], __dirname)
    } catch {
      // One that cannot be had is no reason to go without the others.
      for (const [name, pin] of peers) if (versionOf(name) !== pin) tryInstall(`${name}@${pin}`)
    }
  }
  const packed = installOurs(progress)
  return { packed, versions: Object.fromEntries(peers.map(([name]) => [name, versionOf(name)])) }
}

/** Installs this package as it is published. What it depends on is found above, if the peers are not there. */
export function installOurs(progress: (what: string) => void): Packed {
  progress('packing')
  const packed = pack()
  rmSync(installed('passport-pagerduty'), { recursive: true, force: true })
  mkdirSync(installed('passport-pagerduty'), { recursive: true })
  execFileSync('tar', ['-xzf', packed.tarball, '--strip-components=1', '-C', installed('passport-pagerduty')])
  return packed
}

export function npm(args: readonly string[], cwd: string): string {
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  return execFileSync('npm', [...args, ...quiet], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

function tryInstall(what: string): void {
  try {
    npm(['install', '--no-package-lock', '--no-save', what], __dirname)
  } catch {
    // The report says that it is missing.
  }
}

function pack(): Packed {
  const said = npm(['pack', '--json', '--pack-destination', __dirname], root)
  const [one] = Object.values(JSON.parse(said) as object) as [
    { filename: string; size: number; entryCount: number },
  ]
  return { tarball: join(__dirname, one.filename), size: one.size, files: one.entryCount }
}

function versionOf(name: string): string | undefined {
  const file = installed(name, 'package.json')
  return existsSync(file) ? read(file).version : undefined
}

function read(file: string): { version?: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(file, 'utf8')) as { version?: string; dependencies?: Record<string, string> }
}
