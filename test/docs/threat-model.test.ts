import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './examples'

/** Ids such as B1, and each of a range: "S1 to S9" on the page, "S1–S9" in the name of a test. */
function idsIn(text: string): Set<string> {
  const ids = [...text.matchAll(/\b([A-Z])(\d+)(?:(?: to |–)\1(\d+))?\b/g)].flatMap(
    ([, letter, from, to = from]) => {
      const count = Number(to) - Number(from) + 1
      return Array.from({ length: count }, (_, at) => `${letter}${Number(from) + at}`)
    },
  )
  return new Set(ids)
}

test('each id of the threat model is in the name of a test that carries the attack out', () => {
  const page = readFileSync(join(root, 'docs/threat-model.md'), 'utf8')
  const named = idsIn([...page.matchAll(/\[([A-Z]\d[^\]]*)\](?!\()/g)].map(([, ids]) => ids).join(' '))
  const folders = ['test/attacks', 'test/fuzz'].map((folder) => join(root, folder))
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(folder, name), 'utf8')),
  )
  const tested = idsIn(files.join('\n'))
  expect(named.size).toBeGreaterThan(40)
  expect([...named].filter((id) => !tested.has(id))).toEqual([])
})
