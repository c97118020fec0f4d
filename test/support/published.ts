import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(__dirname, '../..')

/** A new folder with what is packed, as `.github/publish.sh` leaves it: the README without what proves it. */
export function publishedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'published-'))
  for (const name of ['dist', 'LICENSE', 'package.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  writeFileSync(join(folder, 'README.md'), readme.replaceAll(/^<!-- claim: .*\n/gm, ''))
  return folder
}
