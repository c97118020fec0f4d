import fc from 'fast-check'
import { parseJSON } from '../../src/store/decode'
import { type Receiving, eventText, post, receive } from '../support/webhooks'
import { runs } from './runs'

/** Anything that JSON can say. */
const anyText = fc.string({ unit: 'binary', maxLength: 40 })
const anyJSON = fc.json({ stringUnit: 'binary', depthSize: 'medium' })

/** A number of many digits. */
const longNumber = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.integer({ min: 1, max: 250_000 }),
    fc.constantFrom('', '.5', 'e9', 'e-9'),
  )
  .map(([sign, digits, end]) => `${sign}1${'0'.repeat(digits)}${end}`)

/** Arrays and objects in one another, closed or not. */
const nesting = fc
  .tuple(
    fc.integer({ min: 1, max: 60_000 }),
    fc.constantFrom(['[', ']'], ['{"a":', '}'], ['[{"a":', '}]']),
    fc.boolean(),
  )
  .map(([depth, [open = '', close = ''], isClosed]) => {
    const times = Math.min(depth, Math.floor(200_000 / (open.length + close.length)))
    return `${open.repeat(times)}1${isClosed ? close.repeat(times) : ''}`
  })

/** Halves of characters, and what is none. */
const surrogate = fc.constantFrom('"\\ud800"', '"\\udfff\\ud800"', '"\\uD83D"', '"\\u0000"', '"\ufffe"')

const value = fc.oneof(
  anyJSON,
  longNumber,
  nesting,
  surrogate,
  fc.constantFrom('', 'NaN', '1e999', '-0', '{'),
)

const name = fc.oneof(
  fc.constantFrom('id', 'event_type', 'occurred_at', 'data', 'event', '__proto__', 'constructor', 'toJSON'),
  anyText,
)

/** The members of an event, most of them right, some of them twice or not at all what they should be. */
const event = fc
  .tuple(
    fc.array(fc.tuple(name, value), { maxLength: 4 }),
    fc.boolean(),
    fc.array(fc.tuple(name, value), { maxLength: 2 }),
  )
  .map(([before, isRight, after]) => {
    const right = isRight ? eventText().slice('{"event":{'.length, -2) : ''
    const members = (list: [string, string][]) => list.map(([key, text]) => `${JSON.stringify(key)}:${text}`)
    return `{"event":{${[...members(before), right, ...members(after)].filter(Boolean).join(',')}}}`
  })

/** A good delivery with some of its bytes changed. */
const damaged = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }).map((changes) => {
  const bytes = Buffer.from(eventText())
  for (const [place, byte] of changes) bytes[place % bytes.length] = byte
  return bytes
})

const body = fc.oneof(
  event,
  damaged,
  value,
  fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
)

/** An event from the future is put down to this machine's clock, and is to come again. */
function isAhead(bytes: Buffer | string): boolean {
  const { event } = Object(parseJSON(`${bytes}`)) as { event?: { occurred_at?: unknown } | null }
  const occurredAt = event?.occurred_at
  return typeof occurredAt === 'string' && Date.parse(occurredAt) > Date.now()
}

describe('Z12: a delivery that was signed with the true secret', () => {
  let app: Receiving
  const polluted = () => Object.keys(Object.prototype)
  beforeAll(async () => {
    app = await receive({ onUnknownEvent: () => {} })
  })
  afterAll(() => app.close())

  test('is handled or rejected whatever its body is, and the receiver stays unchanged', async () => {
    const seen = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        const { status } = await post(app.path, bytes)
        seen.set(status, (seen.get(status) ?? 0) + 1)
        expect([202, 400, 413, ...(isAhead(bytes) ? [503] : [])]).toContain(status)
        expect(polluted()).toEqual([])
      }),
      runs(1_000),
    )
    process.stdout.write(`      answers: ${JSON.stringify(Object.fromEntries(seen))}\n`)
    // Both kinds came, or nothing was tried.
    expect([...seen.keys()]).toEqual(expect.arrayContaining([202, 400]))
    expect((await app.send()).status).toBe(202)
  })

  test('reaches the handler with what the last of two members of one name says, as JSON.parse does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uuid(), fc.uuid(), anyText, async (first, last, title) => {
        const text = eventText({ id: 'ID', data: { title } })
        await post(app.path, text.replace('"id":"ID"', `"id":"${first}","id":"${last}"`))
        expect(app.handled.at(-1)).toMatchObject({ id: last, data: { title: title } })
      }),
      runs(200),
    )
  })
})
