import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')

test('the page on scaling lists every kind of key that is stored', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /^[^/]+\/[^/]+\.ts$/.test(name) && !/^(testing|cli)\//.test(name))
    .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
  const used = sources.flatMap((text) =>
    [...text.matchAll(/`([a-z]+:(?:app-)?)\$\{/g)].map(([, kind]) => kind),
  )
  const page = readFileSync(join(root, 'docs/scaling.md'), 'utf8')
  const listed = [...page.matchAll(/`pagerduty:([a-z]+:(?:app-)?)\{/g)].map(([, kind]) => kind)
  expect(new Set(listed)).toEqual(new Set(used))
})
