import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { rowsFile } from './paths'

/** What came of one fault. */
export interface Row {
  fault: string
  rounds: number
  tokenCalls: number
  usersLost: number
  wrongAnswers: number
  /** Milliseconds from the end of the fault to the first good response; undefined where no user had to wait. */
  slowestRecovery?: number | undefined
}

/** Adds a row to the table that is printed at the end. */
export function record(row: Row): void {
  appendFileSync(rowsFile, `${JSON.stringify(row)}\n`)
}

const headings = ['fault', 'rounds', 'token calls', 'users lost', 'wrong answers', 'slowest recovery']

/** The table as Markdown; undefined when no test left a row. */
export function table(): string | undefined {
  if (!existsSync(rowsFile)) return undefined
  const rows = readFileSync(rowsFile, 'utf8').trim().split('\n').map(cellsOf)
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] as string).length)),
  )
  const line = (cells: string[], fill = ' ') =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] as number, column > 0, fill)).join(' | ')} |`
  const rule = line(
    headings.map((_, column) => (column > 0 ? ':' : '')),
    '-',
  )
  return [line(headings), rule, ...rows.map((row) => line(row))].join('\n')
}

function cellsOf(text: string): string[] {
  const row = JSON.parse(text) as Row
  const recovery = row.slowestRecovery === undefined ? '' : `${(row.slowestRecovery / 1000).toFixed(1)} s`
  return [row.fault, ...[row.rounds, row.tokenCalls, row.usersLost, row.wrongAnswers].map(String), recovery]
}

function pad(text: string, width: number, isNumber: boolean, fill: string): string {
  return isNumber ? text.padStart(width, fill) : text.padEnd(width, fill)
}
