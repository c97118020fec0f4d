// Part of the build: types that no published entry leads to would only make the package larger.
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const reached = new Set()

function reach(file) {
  if (reached.has(file)) return
  reached.add(file)
  for (const [, , module] of readFileSync(file, 'utf8').matchAll(/\b(from |import\()['"](\.[^'"]+)/g)) {
    const path = join(dirname(file), module)
    reach(existsSync(`${path}.d.ts`) ? `${path}.d.ts` : join(path, 'index.d.ts'))
  }
}

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
for (const { types } of Object.values(exports)) if (types) reach(join(types))
for (const file of readdirSync('dist', { recursive: true })) {
  const path = join('dist', file)
  if (path.endsWith('.d.ts') && !reached.has(path)) rmSync(path)
}
