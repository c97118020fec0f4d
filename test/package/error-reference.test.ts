import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { authorizationErrors, refusedLogin } from '../../src/oauth/authorization-response'
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

test('an entry begins with the status of its error', () => {
  const text = sources.map((name) => readFileSync(join(root, 'src', name), 'utf8')).join('\n')
  const wrong = entries.flatMap((code) => {
    const [, documented] = new RegExp(`^#### \`${code}\`\n\n\\*\\*(\\d+)`, 'm').exec(page) ?? []
    const statuses = [...text.matchAll(new RegExp(`'${code}',\\s*(?:status: )?(\\d{3})\\b`, 'g'))]
    const found = statuses.map(([, status]) => status as string)
    return found.length === 0 || found.includes(documented ?? '')
      ? []
      : [`${code}: ${documented}, ${found.join()}`]
  })
  expect(wrong).toEqual([])
})

test('an entry of a code of PagerDuty’s names the status of a login that failed with it', () => {
  const logins = [...authorizationErrors, 'unknown_error']
  const wrong = logins.filter((code) => {
    const [, first = ''] = new RegExp(`^#### \`${code}\`\n\n(.*)$`, 'm').exec(page) ?? []
    return !first.includes(`**${refusedLogin(code).status}`)
  })
  expect(wrong).toEqual([])
})
