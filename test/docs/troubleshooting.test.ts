import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folders } from '../attacks/support/paths'
import { root } from './examples'

const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')

const program = `
import express from 'express'
import { pagerduty } from 'passport-pagerduty'

const app = express()
const pd = pagerduty({ scope: ['incidents.read'] })
app.get('/', pd.requireScopes('incidents.raed'), (req, res) => {
  res.send(req.user!.id + req.pagerduty.user.id + req.classic.user + req.session)
})
`

test('the errors of the compiler on the page are what the compiler prints', () => {
  const folder = join(folders[5], 'troubleshooting')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'app.mts'), program)
  const compilerOptions = {
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.mts'] }))
  const compiler = join(root, 'node_modules/.bin/tsc')
  const { stdout } = spawnSync(compiler, ['-p', folder], { encoding: 'utf8' })
  const [, table = ''] = /^## Types don’t compile\n([^]*?)^## /m.exec(page) ?? []
  const messages = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, message]) => message as string)
  // Of a user who has not installed the types, or has another setting for modules.
  const elsewhere = [
    "Could not find a declaration file for module 'express'",
    "Cannot find module 'passport-pagerduty/testing'",
  ]
  expect(messages.filter((message) => !stdout.includes(message.split('…')[0] as string))).toEqual(elsewhere)
  expect(messages).toHaveLength(elsewhere.length + stdout.trim().split('\n').length)
})
