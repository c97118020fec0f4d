import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pages, root } from './examples'

const claim = /^ *<!-- claim: (.+) -->$/
const target = /^(\S+) "([^"]+)"$/

/** What is wrong with the claims of a page, with the line of each. */
function brokenClaims(page: string, text: string): string[] {
  let isCode = false
  return text.split('\n').flatMap((line, at) => {
    if (/^ *```/.test(line)) isCode = !isCode
    if (isCode || !/<!-- ?claim\b/i.test(line)) return []
    const targets = claim.exec(line)?.[1]?.split(/; (?=\S+ ")/)
    const wrong = targets?.flatMap(whyBroken) ?? ['is not a line <!-- claim: path "text"; path "text" -->']
    return wrong.map((why) => `${page}:${at + 1} ${why}`)
  })
}

function whyBroken(one: string): string[] {
  const [, path, text] = target.exec(one) ?? []
  if (path === undefined || text === undefined) return [`${one} is not: path "text"`]
  if (!/^((test|src|example-app)\/|package\.json$)/.test(path))
    return [`${path} is neither a test nor source`]
  if (!existsSync(join(root, path))) return [`${path} does not exist`]
  return readFileSync(join(root, path), 'utf8').includes(text) ? [] : [`${path} has no "${text}"`]
}

test('every claim of the pages names a test or source that has it', () => {
  const broken = pages.flatMap((page) => brokenClaims(page, readFileSync(join(root, page), 'utf8')))
  expect(broken).toEqual([])
})

test.each([
  ['a file that is gone', 'test/gone.ts "a text"', 'test/gone.ts does not exist'],
  ['a text that is gone', 'src/user.ts "was renamed"', 'src/user.ts has no "was renamed"'],
  ['a page', 'README.md "Install"', 'README.md is neither a test nor source'],
  ['no text', 'src/user.ts', 'src/user.ts is not: path "text"'],
  ['a second target', 'src/user.ts "accountID"; src/gone.ts "it"', 'src/gone.ts does not exist'],
])('a claim is reported with its line: %s', (_what, targets, why) => {
  expect(brokenClaims('page.md', `First.\n<!-- claim: ${targets} -->\n`)).toEqual([`page.md:2 ${why}`])
})

test('a claim in another form is reported', () => {
  expect(brokenClaims('page.md', 'Text. <!-- claim: src/user.ts "accountID" -->')).toEqual([
    'page.md:1 is not a line <!-- claim: path "text"; path "text" -->',
  ])
})
