import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const sources = ['LICENSE', 'README.md', 'package.json', 'src', 'tsconfig.json']
const folders: string[] = []

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pack-'))
  folders.push(folder)
  return folder
}

/** The tarball that `npm pack` makes in a folder. */
function pack(folder: string, umask: string, env: Record<string, string>, ...args: string[]): string {
  const target = temporaryFolder()
  const command = `umask ${umask} && npm pack --silent --pack-destination "$0" "$@"`
  const name = execFileSync('sh', ['-c', command, target, ...args], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return join(target, name.trim().split('\n').at(-1) as string)
}

/** Names, modes and times of the files inside. */
function listing(tarball: string): string[] {
  const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C' }
  return execFileSync('tar', ['-tvzf', tarball], { env, encoding: 'utf8' }).split('\n')
}

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

test('built again from the same sources elsewhere, with other umask, time zone and locale, the tarball has the same bytes', () => {
  // That of dist, as it was built before the tests: in another folder, at another time.
  const one = pack(root, '022', {}, '--ignore-scripts')
  const folder = temporaryFolder()
  for (const name of sources) cpSync(join(root, name), join(folder, name), { recursive: true })
  for (const name of ['LICENSE', 'README.md', 'package.json']) chmodSync(join(folder, name), 0o600)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const locale = 'tr_TR.UTF-8' // Where "I" is no "i".
  const other = pack(folder, '077', { TZ: 'Pacific/Chatham', LANG: locale, LC_ALL: locale })
  expect(listing(other)).toEqual(listing(one))
  expect(digest(other)).toBe(digest(one))
}, 120_000)
