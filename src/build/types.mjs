// Part of the build: one file of types for each published entry, in place of one for each file of src. It is smaller, and what
// is not exported cannot be imported from it.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'

const require = createRequire(import.meta.url)
const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
const entries = Object.values(exports).filter((entry) => 'types' in Object(entry))
const declarations = readdirSync('dist', { recursive: true })
  .map((name) => join('dist', name))
  .filter((path) => path.endsWith('.d.ts'))
// API Extractor leaves these out.
const globals = declarations.flatMap(
  (path) => /^declare global \{\n.*?\n\}\n/ms.exec(readFileSync(path, 'utf8')) ?? [],
)

const types = entries.map(({ types: path, default: program }) => {
  const rolledUp = rollUp(path)
  const own = path.endsWith('dist/index.d.ts') ? rolledUp + globals.join('') : rolledUp
  return withoutMissing(own, require(resolve(program))).replaceAll(/^( {4})+/gm, (indent) =>
    ' '.repeat(indent.length / 4),
  )
})
for (const path of declarations) rmSync(path)
for (const [at, entry] of entries.entries()) writeFileSync(entry.types, types[at])

function rollUp(path) {
  const target = resolve('dist/rolled-up.d.ts')
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: resolve('package.json'),
    configObject: {
      projectFolder: resolve('.'),
      mainEntryPointFilePath: resolve(path),
      compiler: { tsconfigFilePath: resolve('tsconfig.json') },
      dtsRollup: { enabled: true, untrimmedFilePath: target },
    },
  })
  const { succeeded } = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      message.handled = message.logLevel !== 'error'
    },
  })
  if (!succeeded) throw new Error(`API Extractor cannot roll up the types of ${path}`)
  const text = readFileSync(target, 'utf8')
  rmSync(target)
  return text
}

/** A class that is exported as a type only would become a class that the program does not have. */
function withoutMissing(text, program) {
  const missing = []
  const result = text.replaceAll(/^export (?=declare (?:class|const|function) (\w+))/gm, (all, name) => {
    if (name in program) return all
    missing.push(name)
    return ''
  })
  return missing.length === 0 ? result : `${result}export type { ${missing.join(', ')} }\n`
}
