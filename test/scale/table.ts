/** Rows as a table for a terminal or in Markdown; the first row is the head. */
export function table(rows: readonly (readonly (string | number)[])[], isMarkdown: boolean): string {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? amount(cell) : cell)))
  const widths = (texts[0] ?? []).map((_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  )
  const isFigures = widths.map((_, column) => texts.slice(1).every((row) => /^\d/.test(row[column] ?? '')))
  const lines = texts.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] as number
      return isFigures[column] ? cell.padStart(width) : cell.padEnd(width)
    })
    return isMarkdown ? `| ${cells.join(' | ')} |` : cells.join('  ').trimEnd()
  })
  const rules = widths.map((width, column) => {
    return isFigures[column] && isMarkdown ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)
  })
  const rule = isMarkdown ? `| ${rules.join(' | ')} |` : rules.join('  ')
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}

/** Three figures or whole numbers, with a comma for thousands. */
export function amount(value: number): string {
  const digits = value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return Number.isInteger(value)
    ? value.toLocaleString('en-US')
    : value.toLocaleString('en-US', { maximumFractionDigits: digits })
}
