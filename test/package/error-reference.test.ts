import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { authorizationErrors } from '../../src/oauth/authorization-response'
import { tokenErrors } from '../../src/oauth/token-endpoint'

const root = join(__dirname, '../..')
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')
const entries = [...page.matchAll(/^#### `(.+)`$/gm)].map(([, code]) => code as string)

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
)
const own = sources.flatMap(
  (name) => readFileSync(join(root, 'src', name), 'utf8').match(/ERR_PAGERDUTY_[A-Z_]+/g) ?? [],
)
const others = [...authorizationErrors, ...tokenErrors, 'unknown_error', 'insufficient_scope']

test('every error code has one entry in the reference, and every entry is of a code that exists', () => {
  expect(entries.toSorted()).toEqual([...new Set([...own, ...others])].toSorted())
})

test('every entry says what happened', () => {
  const bodies = page.split(/^#### .*$/m).slice(1)
  expect(bodies.filter((body) => body.split(/^#/m)[0]?.trim() === '')).toEqual([])
})
