import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkSync } from 'recheck'

// Its other backends are processes of their own.
process.env['RECHECK_BACKEND'] = 'pure'

const root = join(__dirname, '../../src')

/** Every literal in the source, with where it stands. */
const literals = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'scopes/catalogue.ts')
  .flatMap(literalsOf)

function literalsOf(file: string): [where: string, source: string, flags: string][] {
  const code = readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')
  const found = code.matchAll(
    /(?<=[(=,:!&|?[]\s*|\breturn\s+|^\s*)\/((?:[^/\\\n[*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])*)\/([dgimsuvy]*)(?=[.,;)\s])/gm,
  )
  return [...found].map(([literal, source = '', flags = '']) => [`${file} ${literal}`, source, flags])
}

/** By an automaton, which is exact; only a back-reference is not in its power, and then by inputs that are searched for. */
function complexityOf(source: string, flags: string): string {
  const checker = /\\\d/.test(source) ? 'fuzz' : 'automaton'
  const found = checkSync(source, flags, { checker, timeout: 25_000 })
  return found.status === 'vulnerable' ? found.complexity.summary : found.status
}

test('the literals of the source are found, and a quadratic one is distinguished from a linear one', () => {
  expect(literals.length).toBeGreaterThan(50)
  expect(complexityOf('^[ \\t]+|[ \\t]+$', 'g')).toBe('2nd degree polynomial')
  expect(complexityOf('^[ \\t]+|^x$', 'g')).toBe('safe')
})

test.each(literals)('%s takes linear time', (_where, source, flags) => {
  expect(complexityOf(source, flags)).toBe('safe')
})
