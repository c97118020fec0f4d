// Part of the build: what no published entry leads to would only make the package larger.
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const reached = new Set()

/** @param {string} suffix of the files that are followed: `.js` or `.d.ts` */
function reach(file, suffix) {
  if (reached.has(file)) return
  reached.add(file)
  for (const [, , module] of readFileSync(file, 'utf8').matchAll(
    /\b(from |import\(|require\()['"](\.[^'"]+)/g,
  )) {
    const path = join(dirname(file), module)
    reach(existsSync(path + suffix) ? path + suffix : join(path, `index${suffix}`), suffix)
  }
}

const { bin, exports } = JSON.parse(readFileSync('package.json', 'utf8'))
for (const { types } of Object.values(exports)) if (types) reach(join(types), '.d.ts')
for (const { default: entry } of Object.values(exports)) if (entry) reach(join(entry), '.js')
for (const program of Object.values(bin)) reach(join(program), '.js')
for (const file of readdirSync('dist', { recursive: true })) {
  const path = join('dist', file)
  if (/\.(d\.ts|js)$/.test(path) && !reached.has(path)) rmSync(path)
}
