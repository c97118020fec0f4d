import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './examples'

const page = readFileSync(join(root, 'docs/scaling.md'), 'utf8')

/** The part of the page below a heading, up to the next one. */
function below(heading: string): string {
  const [, part] = page.split(`# ${heading}\n`)
  return part?.split(/^#/m)[0] ?? ''
}

/** The cells of a table, without what aligns them. */
function rowsOf(text: string): string[][] {
  const lines = text.split('\n').filter((line) => /^\| /.test(line) && !line.includes('---'))
  return lines.map((line) => line.split('|').map((cell) => cell.trim()))
}

const numbersOf = (text: string) => (text.match(/\d{1,3}(?:,\d{3})+|\d{3,}/g) ?? []).map(valueOf)
const valueOf = (figure: string) => Number(figure.replaceAll(',', ''))

test('both tables of commands are the same', () => {
  const counted = rowsOf(below('Commands, counted'))
  expect(counted.length).toBeGreaterThan(7)
  expect(rowsOf(below('What is sent'))).toEqual(counted)
})

test('what there is to read from the figures has those of the tables', () => {
  const [, tables = ''] = page.split('## Figures for a million grants')
  const figures = rowsOf(tables.split('### What to read from it')[0] ?? '')
    .flat()
    .map(valueOf)
  const said = numbersOf(below('What to read from it').replace(/<!--.*-->/g, ''))
  // 503 is a status, and of 500 calls a second the row speaks in words.
  const ours = said.filter((figure) => figure !== 503 && figure !== 500)
  expect(ours.length).toBeGreaterThan(6)
  const isThere = (figure: number) => figures.some((one) => one === figure || Math.round(one / 20) === figure)
  expect(ours.filter((figure) => !isThere(figure))).toEqual([])
})
