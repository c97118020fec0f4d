// Part of the build: what no published entry leads to would only make the package larger.
import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

const reached = new Set()

function reach(file) {
  if (reached.has(file)) return
  reached.add(file)
  for (const [, module] of readFileSync(file, 'utf8').matchAll(/\b(?:import|require)\(['"](\.[^'"]+)/g)) {
    reach(createRequire(file).resolve(module))
  }
}

const { bin, exports } = JSON.parse(readFileSync('package.json', 'utf8'))
for (const { default: entry } of Object.values(exports)) if (entry) reach(resolve(entry))
for (const program of Object.values(bin)) reach(resolve(program))
for (const file of readdirSync('dist', { recursive: true })) {
  const path = resolve('dist', file)
  if (path.endsWith('.js') && !reached.has(path)) rmSync(path)
}
