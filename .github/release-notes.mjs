// Prints what CHANGELOG.md says about a version: node .github/release-notes.mjs 1.2.3
import { readFileSync } from 'node:fs'

const version = process.argv[2] ?? 'Unreleased'
const changelog = readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8')
const sections = changelog.split(/^## /m).slice(1)
const section = sections.find((text) => text.startsWith(`[${version}]`))
const notes = section?.slice(section.indexOf('\n')).trim()
if (!notes) {
  process.stderr.write(`CHANGELOG.md says nothing about ${version}\n`)
  process.exit(1)
}
process.stdout.write(`${notes}\n`)
