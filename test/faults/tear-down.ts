import { writeFileSync } from 'node:fs'
import { table } from './report'

/** Prints what came of each fault, and writes it to the file that FAULTS_TABLE names. */
export default function tearDown(): void {
  const text = table()
  if (text === undefined) return
  process.stdout.write(`\n${text}\n\n`)
  const file = process.env['FAULTS_TABLE']
  if (file) writeFileSync(file, `${text}\n`)
}
