// Makes src/scopes/catalogue.ts of operations.txt: `npm run catalogue`. With --check it only says whether that is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'

const here = dirname(fileURLToPath(import.meta.url))
const target = join(here, '../catalogue.ts')

const operations = new Map()
const other = []
const notes = new Map()

for (const line of readFileSync(join(here, 'operations.txt'), 'utf8').split('\n')) {
  if (line === '' || line.startsWith('#')) continue
  const [first, ...rest] = line.split('  ')
  if (first === 'other') other.push(...rest)
  else if (first === 'note') notes.set(rest[0], rest[1])
  else for (const pair of rest) addOperation(first, pair)
}

function addOperation(path, pair) {
  const [, method, scope] = /^(GET|POST|PUT|PATCH|DELETE) ([a-z_:]+\.(?:read|write)|-)$/.exec(pair) ?? []
  const operation = `${method} ${path}`
  if (!/^(\/[a-z0-9_]+|\/\{[a-z_]+\})+$/.test(path) || method === undefined || operations.has(operation)) {
    throw new Error(`operations.txt: "${path}  ${pair}" is no operation, or stands there twice`)
  }
  operations.set(operation, scope === '-' ? undefined : scope)
}

const declared = [...new Set(operations.values())]
  .filter((scope) => scope !== undefined)
  .toSorted((one, other) => (one < other ? -1 : 1))

function entry(scope) {
  const [resource, access] = scope.split('.')
  const note = notes.has(scope) ? `, note: ${JSON.stringify(notes.get(scope))}` : ''
  return `  ${JSON.stringify(scope)}: { resource: ${JSON.stringify(resource)}, access: '${access}'${note} },`
}

const source = `// Made by catalogue/generate.mjs of catalogue/operations.txt: change those, and run \`npm run catalogue\`.

/** The scopes that operations of PagerDuty's REST API declare: ${declared.length}. */
export const scopes = {
${declared.map(entry).join('\n')}
} as const

/** Scopes of other APIs of PagerDuty's. */
export const otherScopes = {
${other.map(entry).join('\n')}
} as const

/** The operations of PagerDuty's REST API, each with the scope it declares; undefined where it declares none. */
export const operationScopes = {
${[...operations].map(([operation, scope]) => `  ${JSON.stringify(operation)}: ${JSON.stringify(scope)},`).join('\n')}
} as const

/** A scope of Scoped OAuth. */
export type Scope = keyof typeof scopes | keyof typeof otherScopes

/** An operation of PagerDuty's REST API: method and path, such as \`GET /incidents/{id}\`. */
export type Operation = keyof typeof operationScopes
`

const text = await format(source, { ...(await resolveConfig(target)), filepath: target })
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  throw new Error('src/scopes/catalogue.ts is not what operations.txt makes: npm run catalogue')
}
