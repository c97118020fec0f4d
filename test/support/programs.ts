import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** The whole path of a program; undefined when it is not installed. */
export function find(program: string): string | undefined {
  if (isAbsolute(program)) return isProgram(program) ? program : undefined
  // Debian has servers in a directory that is not in every user's PATH.
  const directories = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), '/usr/sbin']
  return directories.map((directory) => join(directory, program)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The folder of PostgreSQL's programs, which Debian keeps by version, and away from the PATH. */
function findPostgres(): string | undefined {
  const versions = readdirOr('/usr/lib/postgresql').toSorted((one, other) => Number(other) - Number(one))
  const folders = [process.env['POSTGRES_BIN'], ...versions.map((one) => `/usr/lib/postgresql/${one}/bin`)]
  const path = folders.find((folder) => folder !== undefined && isProgram(join(folder, 'initdb')))
  return path ?? find('initdb')?.slice(0, -'/initdb'.length)
}

function readdirOr(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Programs that parts of the tests cannot do without, under the names of their Debian packages. */
export const programs = {
  'redis-server': find(process.env['REDIS_SERVER_BIN'] ?? 'redis-server'),
  // The headless shell needs a third of the time.
  chromium: find(process.env['CHROMIUM_BIN'] ?? find('chromium-headless-shell') ?? 'chromium'),
  'nginx-light': find(process.env['NGINX_BIN'] ?? 'nginx'),
  openssl: find('openssl'),
  postgresql: findPostgres(),
  pgbouncer: find(process.env['PGBOUNCER_BIN'] ?? 'pgbouncer'),
}

/** `describe`, where the programs are installed. The global set-up has said loudly what is missing. */
export function describeWith(...needed: (keyof typeof programs)[]): typeof describe {
  // Outside Jest it is never called.
  if (!('describe' in globalThis)) return undefined as unknown as typeof describe
  const isMissing = needed.some((program) => programs[program] === undefined)
  return isMissing ? (describe.skip as typeof describe) : describe
}
