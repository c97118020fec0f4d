import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../src')

/** Every literal in the source, with where it stands. */
const literals = ['', 'cli', 'testing'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.ts') && name !== 'scope-catalogue.ts')
    .flatMap((name) => literalsOf(join(folder, name))),
)

function literalsOf(file: string): [where: string, pattern: RegExp][] {
  const code = readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '')
  const found = code.matchAll(
    /(?<=[(=,:!&|?[]\s*|\breturn\s+|^\s*)\/((?:[^/\\\n[*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])*)\/([dgimsuvy]*)(?=[.,;)\s])/gm,
  )
  return [...found].map(([literal, source = '', flags = '']) => [
    `${file} ${literal}`,
    new RegExp(source, flags),
  ])
}

type Attack = readonly [before: string, repeated: string, after: string]

/** What may be repeated, and what may stand before and after it, so that a match is begun often and fails late. */
function attacks({ source }: RegExp): readonly Attack[] {
  const words = source.match(/[\w=":/-]{2,}/g) ?? []
  const parts = words.flatMap((word) => [word, `${word} `, `${word}-`])
  const repeated = [...' \ta0.-_/=,;"\\', '"\\', '" ', ' a', '; ', ...parts]
  return ['', '"', 'v1=', 'a ', ...words.slice(0, 2)].flatMap((before) =>
    repeated.flatMap((piece) => ['', 'x', '!', '\n'].map((after) => [before, piece, after] as const)),
  )
}

/** The least milliseconds of three runs over a string of so many characters. */
function time(pattern: RegExp, [before, repeated, after]: Attack, length: number): number {
  const text = before + repeated.repeat(length / repeated.length) + after
  const times = [0, 1, 2].map(() => {
    const startedAt = performance.now()
    text.replace(pattern, '')
    return performance.now() - startedAt
  })
  return Math.min(...times)
}

/**
 * Four times the input takes sixteen times as long, and not four times, whenever it is measured. What takes next to no time is
 * not looked at.
 */
function isQuadratic(pattern: RegExp, attack: Attack): boolean {
  const grows = () => time(pattern, attack, 16_000) > 9 * time(pattern, attack, 4_000)
  return time(pattern, attack, 16_000) > 8 && [1, 2, 3].every(grows)
}

test('the literals of the source are found, and a quadratic one is told from a linear one', () => {
  expect(literals.length).toBeGreaterThan(50)
  const blanks = ['v1=', ' ', 'x'] as const
  expect(isQuadratic(/^[ \t]+|[ \t]+$/g, blanks)).toBe(true)
  expect(isQuadratic(/^[ \t]+|^x$/g, blanks)).toBe(false)
})

test.each(literals)('%s takes linear time', (_where, pattern) => {
  expect(attacks(pattern).filter((attack) => isQuadratic(pattern, attack))).toEqual([])
})
