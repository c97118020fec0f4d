import { readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'

const src = join(__dirname, '../../src')

/** The wings from the top down: a file imports from its own, and from those in lower rows. */
const order = [
  ['cli'],
  ['index', 'pagerduty', 'options', 'environment'],
  ['guards'],
  ['login'],
  ['sessions', 'webhooks'],
  ['grants', 'app-tokens'],
  ['context'],
  ['oauth'],
  ['scopes', 'http', 'store', 'observability'],
  ['async'],
  ['errors', 'user'],
]

/** What other wings may import, where that is not all of a wing. */
const publicFiles: Record<string, readonly string[]> = {
  guards: ['create-guards', 'require-scopes', 'guard-options', 'denial'],
  login: ['strategy', 'strategy-options', 'routes', 'route-options', 'step-up', 'guarded-scopes'],
  sessions: [
    ...['session-tokens', 'request-grant', 'session', 'login-session', 'create-sessions'],
    ...['passport-login', 'latest-data'],
  ],
  webhooks: ['create-webhooks', 'receiver', 'options'],
  grants: ['grants', 'grant-management', 'user-grant', 'grant-options'],
  'app-tokens': ['app-tokens'],
  oauth: [
    ...[
      'api-error',
      'authorization-response',
      'bearer-fetch',
      'circuit-breaker',
      'client',
      'client-options',
      'endpoints',
    ],
    ...['id-token', 'paginate', 'rate-limits', 'require-url', 'token-endpoint', 'token-expiry', 'token-set'],
  ],
}

/** These hand public types on, from wherever they are declared. */
const listsOfNames = ['index.ts', 'options.ts']

interface Import {
  readonly from: string
  readonly to: string
}

/** Every import of another file, types included. */
const imports = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .flatMap((file): Import[] => {
    const text = readFileSync(join(src, file), 'utf8')
    const found = text.matchAll(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*'(\.[^']*)'/g)
    return [...found].map(([, path = '']) => ({ from: file, to: normalize(join(dirname(file), path)) }))
  })

/** The folder of a file; a file of the root is a wing of its own. */
function wingOf(file: string): string {
  return file.includes('/') ? dirname(file) : basename(file, '.ts')
}

function rowOf(file: string): number {
  return order.findIndex((row) => row.includes(wingOf(file)))
}

function isAmongTests(file: string): boolean {
  return wingOf(file) === 'testing'
}

const across = imports.filter(({ from, to }) => wingOf(from) !== wingOf(to) && !isAmongTests(from))

test('each wing has a place in the order', () => {
  const wings = [...new Set(imports.map(({ from }) => wingOf(from)))].filter((wing) => wing !== 'testing')
  expect(order.flat().toSorted()).toEqual(expect.arrayContaining(wings.toSorted()))
})

test('a file imports from its own wing and from wings below it, types included', () => {
  const ofCli = ({ from, to }: Import) => wingOf(from) === 'cli' && to === 'testing'
  const upwards = across.filter(
    (each) => rowOf(each.to) <= rowOf(each.from) && !ofCli(each) && !isRootsOwn(each),
  )
  expect(upwards).toEqual([])
})

/** The files of the root that assemble the package import each other. */
function isRootsOwn({ from, to }: Import): boolean {
  return rowOf(from) === 1 && rowOf(to) === 1
}

test('other wings import only the public files of a wing', () => {
  const past = across.filter(({ from, to }) => {
    const files = publicFiles[wingOf(to)]
    const mayAll = listsOfNames.includes(from) || wingOf(from) === 'cli'
    return !mayAll && files !== undefined && !files.includes(basename(to))
  })
  expect(past).toEqual([])
})

test('no file imports itself by way of others', () => {
  const next = new Map<string, string[]>()
  for (const { from, to } of imports) {
    const file = from.slice(0, -3)
    next.set(file, [...(next.get(file) ?? []), to])
  }
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (path.includes(file) || done.has(file)) return
    for (const target of next.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  expect(cycles).toEqual([])
})

test('the simulator imports nothing of the library but the type of a token store', () => {
  const outside = imports.filter(({ from, to }) => isAmongTests(from) && !isAmongTests(to))
  expect(new Set(outside.map(({ to }) => to))).toEqual(new Set(['store/token-store']))
})

test('nothing imports the command or the simulator but the command', () => {
  const used = across.filter(({ from, to }) => /^(cli|testing)\b/.test(to) && wingOf(from) !== 'cli')
  expect(used).toEqual([])
})

test('each wing says in at most fifteen lines what it is for', () => {
  const wings = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of wings) {
    const lines = readFileSync(join(src, name, 'README.md'), 'utf8')
      .trimEnd()
      .split('\n')
    expect([name, lines.length <= 15]).toEqual([name, true])
  }
})
