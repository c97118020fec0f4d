import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const script = join(__dirname, '../../.github/release-notes.mjs')

test('the notes of a release are what the changelog says about it', () => {
  const notes = execFileSync('node', [script, 'Unreleased'], { encoding: 'utf8' })
  expect(notes).toMatch(/^### Added\n/)
  expect(notes).not.toMatch(/^## /m)
})

test('a release that the changelog does not know has no notes, and does not happen', () => {
  const { status, stderr } = spawnSync('node', [script, '0.0.0'], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 1, stderr: 'CHANGELOG.md says nothing about 0.0.0\n' })
})
