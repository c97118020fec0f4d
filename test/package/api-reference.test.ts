import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const report = readFileSync(join(__dirname, '../../docs/passport-pagerduty.api.md'), 'utf8')

/** What the report marks as undocumented, below the export it belongs to. */
function undocumented(): string[] {
  const found: string[] = []
  let owner = ''
  for (const [, name, member] of report.matchAll(
    /^export [a-z ]+ (\w+)|\(undocumented\)\r?\n(?= *(?:export )?(.+))/gm,
  )) {
    if (name !== undefined) owner = name
    else found.push(`${owner}: ${member}`)
  }
  return found
}

test('whatever is exported has a doc comment, and so has each of its members', () => {
  expect(undocumented()).toEqual([])
})
