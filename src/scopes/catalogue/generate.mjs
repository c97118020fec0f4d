// Makes src/scopes/catalogue.ts of operations.txt: `npm run catalogue`. With `--from <clone of PagerDuty/api-schema>` it makes
// operations.txt of PagerDuty's OpenAPI files first. With --check it writes nothing, and says what is not up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { format } from 'oxfmt'
import { readPublished } from './published.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const table = join(here, 'operations.txt')
const target = join(here, '../catalogue.ts')
const style = JSON.parse(readFileSync(join(here, '../../../.oxfmtrc.json'), 'utf8'))
const { values } = parseArgs({ options: { from: { type: 'string' }, check: { type: 'boolean' } } })

/** Without the commit: another one may have the same operations. */
const factsOf = (text) => text.replaceAll(/^#.*\n/gm, '')

function put(file, text, source) {
  if (!values.check) writeFileSync(file, text)
  else if (factsOf(readFileSync(file, 'utf8')) !== factsOf(text))
    throw new Error(
      `${file} is not what ${source} makes: npm run catalogue${values.from ? ` -- --from ${values.from}` : ''}`,
    )
}

/** Paths by the methods that they have, and by methods with one list of scopes. */
const byMethods = new Map()
const byScopes = new Map()
/** Paths of lists, by how one gets to the next page; without those that have an id, which nobody can complete. */
const byPages = new Map()

function add(groups, key, path) {
  groups.set(key, [...(groups.get(key) ?? []), path])
}

function read(line) {
  const [path, ...rest] = line.split('  ')
  const isPath = /^(\/[\w-]+|\/\{[a-z_]+\})+$/.test(path)
  const operations = rest.map((text) =>
    /^(GET|POST|PUT|PATCH|DELETE) ([a-z_:]+\.(?:read|write)(?:,[a-z_:]+\.(?:read|write))*|-)( From)?( offset| cursor)?$/.exec(
      text,
    ),
  )
  const methods = operations.map((one) => one?.[1])
  if (
    !isPath ||
    operations.includes(null) ||
    new Set(methods).size !== methods.length ||
    methods.length === 0
  )
    throw new Error(`operations.txt: "${line}" is no path with its operations`)
  add(byMethods, methods.join(' '), path)
  const scopes = new Map()
  for (const [, method, scope, from, pages] of operations) {
    add(scopes, scope, from ? `${method}*` : method)
    if (pages && !path.includes('{')) add(byPages, pages.trim(), path)
  }
  for (const [scope, names] of scopes) add(byScopes, `${scope} ${names.join()}`, path)
}

const published = values.from && readPublished(values.from)
if (published) put(table, published, values.from)
const lines = (published ?? readFileSync(table, 'utf8')).split('\n').filter((line) => /^[^#]/.test(line))
if (new Set(lines.map((line) => line.split('  ')[0])).size !== lines.length)
  throw new Error('operations.txt: a path stands there twice')
lines.forEach(read)

const byCode = (one, other) => (one < other ? -1 : 1)
const union = (names) => (names.length === 1 ? names[0] : `\${${names.map((name) => `'${name}'`).join('|')}}`)
/** All combinations, as a type. */
const product = (names, between, others) => `  | \`${union(names)}${between}${union(others)}\``
const scopes = [...new Set([...byScopes.keys()].flatMap((key) => key.split(' ')[0].split(',')))]
  .filter((scope) => scope !== '-')
  .toSorted(byCode)
const byAccess = new Map()
for (const resource of new Set(scopes.map((scope) => scope.split('.')[0]))) {
  const access = ['read', 'write'].filter((name) => scopes.includes(`${resource}.${name}`))
  add(byAccess, access.join(' '), resource)
}

const source = `// Made by catalogue/generate.mjs of catalogue/operations.txt: change those, and run \`npm run catalogue\`.

/** A scope of Scoped OAuth: one of those that PagerDuty's operations declare, ${scopes.length}. */
export type Scope =
${[...byAccess].map(([access, names]) => product(names, '.', access.split(' '))).join('\n')}

/** An operation of PagerDuty's API: method and path, such as \`GET /incidents/{id}\`. */
export type Operation =
${[...byMethods].map(([methods, paths]) => product(methods.split(' '), ' ', paths)).join('\n')}

/** Paths of lists whose pages \`paginate\` follows: ${[...byPages].map(([kind, paths]) => `${paths.length} by ${kind}`).join(', ')}. */
export type ListPath =
${[...byPages.values()]
  .map((paths) =>
    product(
      [''],
      '/',
      paths.map((path) => path.slice(1)),
    ),
  )
  .join('\n')}

/** A line: scopes, methods ("*" where one declares the header "From") and paths. @internal */
export const operationTable: string = \`
${[...byScopes].map(([key, paths]) => `${key} ${paths.join(' ')}`).join('\n')}
\`
`
put(target, (await format(target, source, style)).code, 'operations.txt')
