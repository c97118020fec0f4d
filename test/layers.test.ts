import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '..')

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
  const above = importsOf(`src/${file}.ts`).filter((name) => !below.has(name.replace('./', '')))
  expect(above).toEqual([])
})

test('the stand-in imports nothing of the library but a type, and the library nothing of the stand-in', () => {
  const standIn = readdirSync(join(root, 'src/testing')).flatMap((name) => importsOf(`src/testing/${name}`))
  // The battery for token stores knows what a store looks like, no more.
  expect(standIn.filter((name) => name.startsWith('..'))).toEqual(['../token-store'])
  expect(
    files.flatMap((file) => importsOf(`src/${file}.ts`)).filter((name) => name.includes('testing')),
  ).toEqual([])
})
