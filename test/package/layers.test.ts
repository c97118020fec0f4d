import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')

/** The files of CONTRIBUTING's layer table, from the top down. */
const order = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \*\*/.test(line))
  .flatMap((line) =>
    [...(line.split('|')[2] ?? '').matchAll(/`([\w-]+)`/g)].map(([, name]) => name as string),
  )

const files = readdirSync(join(root, 'src'))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
  .map((name) => name.slice(0, -3))

/** Every local file a source file imports, types included. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*'(\.[^']*)'/g)].map(([, name]) => name as string)
}

test('the layer table names every source file once', () => {
  expect(order.toSorted()).toEqual(files.toSorted())
})

test.each(files)('%s imports only files that stand below it in the table, types included', (file) => {
  const below = new Set(order.slice(order.indexOf(file) + 1))
  const above = importsOf(`src/${file}.ts`).filter((name) => !below.has(name.replace('../', '')))
  expect(above).toEqual([])
})

function importsOfFolder(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => importsOf(`${folder}/${name}`))
}

test('the stand-in imports nothing of the library but a type, and neither of them the command', () => {
  // The battery for token stores knows what a store looks like, no more.
  const outside = importsOfFolder('src/testing').filter((name) => name.startsWith('../..'))
  expect(outside).toEqual(['../token-store'])
  const ofLibrary = files.flatMap((file) => importsOf(`src/${file}.ts`))
  expect(ofLibrary.filter((name) => /^\.\/(testing|cli)(\/|$)/.test(name))).toEqual([])
})

test('the command imports the library file by file, and the stand-in through its door', () => {
  const outside = importsOfFolder('src/cli').filter((name) => name.startsWith('../..'))
  const allowed = new Set([
    '../testing',
    ...files.filter((file) => file !== 'index').map((file) => `../${file}`),
  ])
  expect(outside).toContain('../testing')
  expect(outside.filter((name) => !allowed.has(name))).toEqual([])
})
