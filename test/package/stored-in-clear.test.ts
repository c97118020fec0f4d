import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryTokenStore } from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import { canaries, everyEvent } from '../support/every-event'

const root = join(__dirname, '../..')
const read = (page: string) => readFileSync(join(root, page), 'utf8')

interface Entry {
  readonly kind: string
  readonly key: string
  readonly value: string
}

/** Everything that is stored while all that there is an event for happens. */
const entries: Entry[] = []
const note = (key: string, value: string) => entries.push({ kind: key.split(':')[0] as string, key, value })
let simulator: Simulator

beforeAll(async () => {
  const created = jest.spyOn(MemoryTokenStore.prototype, 'create')
  const replaced = jest.spyOn(MemoryTokenStore.prototype, 'replace')
  simulator = await startPagerDuty()
  await everyEvent(simulator, () => {})
  for (const [key, value] of created.mock.calls) note(key, value)
  for (const [key, , value] of replaced.mock.calls) note(key, value)
  jest.restoreAllMocks()
})
afterAll(() => simulator.close())

const isEncrypted = ({ value }: Entry) => /^1\.[\w-]+\.[\w-]{40,}$/.test(value)

function kindsOf(chosen: readonly Entry[]): string[] {
  return [...new Set(chosen.map(({ kind }) => kind))].toSorted()
}

/** The part of an entry that a reader of the store can see. */
const inClear = (entry: Entry) => (isEncrypted(entry) ? entry.key : `${entry.key} ${entry.value}`)

function kindsThatShow(what: RegExp): string[] {
  return kindsOf(entries.filter((entry) => what.test(inClear(entry))))
}

test('grants, lists of grants and app tokens are encrypted, as the page on scaling says, and nothing else', () => {
  const encrypted = kindsOf(entries.filter(isEncrypted))
  expect(encrypted).toEqual(['app', 'grant', 'user'])
  expect(kindsOf(entries.filter((entry) => !isEncrypted(entry)))).toEqual(
    kindsOf(entries).filter((kind) => !encrypted.includes(kind)),
  )
  const rows = read('docs/scaling.md').matchAll(/^\| `pagerduty:([a-z]+):\{.*$/gm)
  const listed = [...rows].filter(([row]) => /, encrypted\b/.test(row)).map(([, kind]) => kind as string)
  expect(listed.toSorted()).toEqual(encrypted)
})

test('no token, secret or code is in clear, nor a user’s scopes', () => {
  const secrets = [...Object.values(canaries), simulator.options().clientSecret as string]
  expect(entries.filter((entry) => secrets.some((one) => inClear(entry).includes(one)))).toEqual([])
  expect(kindsThatShow(/pdus\+|eyJ|incidents\.read/)).toEqual([])
})

test('in clear are what the threat model lists, and where it says', () => {
  const list = /In clear are:\n\n([^]*?)\n\n/.exec(read('docs/threat-model.md'))?.[1]
  expect(list).toContain('the ids of account and user, in the key of the user')
  expect(kindsThatShow(/PACME0\d/)).toEqual(['user'])
  expect(list).toContain('codes of failures')
  expect(kindsThatShow(/server_error/)).toEqual(['pause'])
  expect(list).toContain('with the name of the account')
  expect(kindsThatShow(/globex|acme/)).toEqual(['narrow'])
  expect(list).toContain('the session of express-session')
  expect(kindsThatShow(/originalMaxAge/)).toEqual(['sess'])
  expect(kindsThatShow(new RegExp(simulator.options().clientID))).toEqual([])
})
