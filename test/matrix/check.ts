import { availableParallelism } from 'node:os'
import { table } from '../scale/table'

/** One cell of one table. */
export interface Check {
  table: string
  row: string
  column: string
  /** Rejects with the reason when it fails. What it returns stands in the cell, in place of "ok". */
  run: () => Promise<string | void>
}

interface Result extends Omit<Check, 'run'> {
  cell: string
  complaint: string | undefined
}

/** Runs all of them, some at a time. */
export async function runAll(checks: readonly Check[], say: (line: string) => void): Promise<Result[]> {
  const results: Result[] = []
  const queue = checks.entries()
  const worker = async () => {
    for (const [position, check] of queue) {
      const result = await runOne(check)
      results[position] = result
      say(`${result.cell}  ${check.table}: ${check.row}, ${check.column}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return results
}

async function runOne({ run, ...names }: Check): Promise<Result> {
  try {
    return { ...names, cell: (await run()) ?? 'ok', complaint: undefined }
  } catch (error) {
    return { ...names, cell: 'FAILED', complaint: error instanceof Error ? error.message : String(error) }
  }
}

/** The tables of all results, and below them what was wrong. */
export function report(results: readonly Result[]): string {
  const names = [...new Set(results.map((result) => result.table))]
  const tables = names.map(
    (name) => `## ${name}\n\n${tableOf(results.filter((one) => one.table === name))}\n`,
  )
  const failed = results.filter(({ complaint }) => complaint !== undefined)
  const complaints = failed.map(
    (one) => `### ${one.table}: ${one.row}, ${one.column}\n\n\`\`\`\n${one.complaint}\n\`\`\`\n`,
  )
  const score = `${results.length - failed.length} of ${results.length} hold.\n`
  return [...tables, score, ...complaints].join('\n')
}

function tableOf(results: readonly Result[]): string {
  const columns = [...new Set(results.map(({ column }) => column))]
  const rows = [...new Set(results.map(({ row }) => row))]
  const cellOf = (row: string, column: string) =>
    results.find((one) => one.row === row && one.column === column)?.cell ?? '–'
  const body = rows.map((row) => [row, ...columns.map((column) => cellOf(row, column))])
  return table([['', ...columns], ...body], true)
}
