import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SessionData } from 'express-session'
import { MemoryTokenStore } from '../../src'
import { PreparedSessions } from '../../src/sessions/prepared-sessions'
import { SessionRecords } from '../../src/sessions/session-records'
import { checkedTokenStore } from '../../src/store/checked-token-store'

const id = 'grant.random'
const data = { cookie: { originalMaxAge: 60_000, expires: new Date(), path: '/' } } as SessionData
const req = {} as IncomingMessage

let store: MemoryTokenStore
let report: jest.Mock<void, [Error]>
let sessions: PreparedSessions

beforeEach(() => {
  store = new MemoryTokenStore()
  report = jest.fn()
  sessions = new PreparedSessions(new SessionRecords(checkedTokenStore(store), 60_000), report)
})
afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

function responseOf(closed = false): ServerResponse & EventEmitter {
  return Object.assign(new EventEmitter(), { closed }) as unknown as ServerResponse & EventEmitter
}

test('is stored at once, and found by the id of its grant', async () => {
  sessions.prepare(req, responseOf(), id, data)
  const prepared = sessions.of(req, 'grant.other')
  expect([prepared?.id, sessions.of(req, 'another.random')]).toEqual([id, undefined])
  expect(await prepared?.takeStored()).toBe(JSON.stringify(data))
  expect(await store.get(`sess:${id}`)).toBe(JSON.stringify(data))
})

test.each([
  ['an expiry', { cookie: { ...data.cookie, expires: new Date(0) } }, true],
  ['another lifetime', { cookie: { ...data.cookie, originalMaxAge: 3_000 } }, false],
  ['another path', { cookie: { ...data.cookie, path: '/app' } }, false],
  ['another content', { ...data, cart: 'apple' }, false],
])('is not as prepared with %s', (_what, session, isSame) => {
  sessions.prepare(req, responseOf(), id, data)
  expect(sessions.of(req, id)?.is(session as SessionData)).toBe(isSame)
})

test('is removed with the response, unless a session was made of it', async () => {
  const [response, other] = [responseOf(), responseOf()]
  const another = {} as IncomingMessage
  sessions.prepare(req, response, id, data)
  sessions.prepare(another, other, 'other.random', data)
  const kept = sessions.of(another, 'other.random')
  await Promise.all([sessions.of(req, id)?.takeStored(), kept?.takeStored()])
  if (kept !== undefined) kept.isOver = true
  const deleted = jest.spyOn(store, 'delete')
  response.emit('close')
  other.emit('close')
  await new Promise(setImmediate)
  expect(deleted.mock.calls.map(([key]) => key)).toEqual([`sess:${id}`])
  expect(sessions.of(req, id)).toBeUndefined()
})

test('is not written for a browser that has gone', () => {
  const created = jest.spyOn(store, 'create')
  sessions.prepare(req, responseOf(true), id, data)
  expect([created.mock.calls.length, sessions.of(req, id)]).toEqual([0, undefined])
})

test('is removed once no store can still write it, where writing it failed', async () => {
  jest.useFakeTimers()
  jest.spyOn(store, 'create').mockRejectedValue(new Error('no reply'))
  const deleted = jest.spyOn(store, 'delete')
  const response = responseOf()
  sessions.prepare(req, response, id, data)
  response.emit('close')
  await jest.advanceTimersByTimeAsync(999)
  expect(deleted).not.toHaveBeenCalled()
  await jest.advanceTimersByTimeAsync(1)
  expect(deleted).toHaveBeenCalledWith(`sess:${id}`, undefined)
  expect(report).not.toHaveBeenCalled()
})

test('that cannot be removed is reported', async () => {
  jest.spyOn(store, 'delete').mockRejectedValue(new Error('down'))
  const response = responseOf()
  sessions.prepare(req, response, id, data)
  await sessions.of(req, id)?.takeStored()
  const reported = new Promise<Error>((resolve) => report.mockImplementation(resolve))
  response.emit('close')
  expect(await reported).toMatchObject({ name: 'TokenStoreError' })
})
