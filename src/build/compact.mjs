// Part of the build: takes the blanks between tokens out of dist, and leaves each statement a line, but for the first one of a block,
// which stands with its beginning. A stack trace still leads to the
// statement, and the line that Node prints for an uncaught error can be read.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'acorn'

const isWord = /[\w$#]/
const isSign = /[+\-/.]/

/** What has to stay between two tokens. */
function gapBetween(before, gap, after) {
  if (gap.includes('\n')) return /[([,{]$/.test(before) ? '' : '\n'
  if (gap === '' || before === '') return ''
  const [end, start] = [before.at(-1), after[0] ?? '']
  const wouldJoin = isWord.test(end)
    ? isWord.test(start) || start === '.'
    : isSign.test(end) && isSign.test(start)
  return wouldJoin ? ' ' : ''
}

function compact(text) {
  const tokens = []
  parse(text, { ecmaVersion: 'latest', sourceType: 'script', onToken: tokens })
  const [shebang = ''] = /^#!.*\n/.exec(text) ?? []
  let result = shebang
  let before = ''
  let end = shebang.length
  for (const { start, end: next } of tokens) {
    const token = text.slice(start, next)
    result += gapBetween(before, text.slice(end, start), token) + token
    if (token !== '') before = token
    end = next
  }
  return `${result}\n`
}

for (const name of readdirSync('dist', { recursive: true })) {
  if (!name.endsWith('.js')) continue
  const path = join('dist', name)
  writeFileSync(path, compact(readFileSync(path, 'utf8')))
}
