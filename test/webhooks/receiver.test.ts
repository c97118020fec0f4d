import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import express, { type RequestHandler } from 'express'
import { ConfigurationError, type WebhookReceiverOptions, webhookReceiver } from '../../src'
import {
  type Mount,
  type Receiving,
  eventOfSize,
  eventText,
  head,
  open,
  post,
  receive,
  secret,
  sign,
} from '../support/webhooks'
import { margin } from '../support/margin'

const limit = 256 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes in buffers that are still referenced; the others are freed in the turns after a collection. */
async function buffersHeld(): Promise<number> {
  for (let turn = 0; turn < 5; turn++) {
    collectGarbage()
    await new Promise(setImmediate)
  }
  return process.memoryUsage().arrayBuffers
}

const running: Receiving[] = []

async function start(...args: Parameters<typeof receive>): Promise<Receiving> {
  const made = await receive(...args)
  running.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.close()))
})

/** With a body parser in front. */
const after =
  (...parsers: RequestHandler[]): Mount =>
  (app, receiver) =>
    void app.use(...parsers).post('/hook', receiver)

const keep: Parameters<typeof express.json>[0] = {
  limit: '300kb',
  verify: (req, _res, bytes) => void Object.assign(req, { rawBody: bytes }),
}

describe('a receiver works', () => {
  const inSubApp: Mount = (app, receiver) => void app.use('/hook', express().post('/', receiver))
  const inRouter: Mount = (app, receiver) => {
    app.use(express.json({ type: 'application/x-other' }))
    app.use('/', express.Router().use('/hook', receiver))
  }
  const before: Mount = (app, receiver) => void app.post('/hook', receiver).use(express.json())
  const asText: RequestHandler = (req, _res, next) => {
    const bytes = (req as unknown as { rawBody: Buffer }).rawBody
    Object.assign(req, { rawBody: bytes.toString() })
    next()
  }

  test.each<[string, Mount]>([
    ['before express.json()', before],
    ['after express.json() that keeps the raw body', after(express.json(keep))],
    ['after express.json() that keeps it as text', after(express.json(keep), asText)],
    ['after express.raw()', after(express.raw({ type: '*/*' }))],
    ['after express.raw() for other types', after(express.raw())],
    ['in a sub-app', inSubApp],
    ['in a router', inRouter],
  ])('%s', async (_what, mount) => {
    const app = await start({}, undefined, mount)
    const { status } = await app.send({ event_type: 'incident.triggered', data: { title: 'Ærø ☃ 1.0' } })
    expect([status, app.outcomes.map(({ outcome }) => outcome)]).toEqual([202, ['handled']])
    expect(app.handled).toEqual([
      expect.objectContaining({ data: expect.objectContaining({ title: 'Ærø ☃ 1.0' }) }),
    ])
    expect((await app.send('incident.triggered', { signature: sign('something else') })).status).toBe(403)
  })

  const asStream: RequestHandler = (req, _res, next) => {
    req.setEncoding('utf8')
    next()
  }
  test.each<[string, Mount]>([
    ['express.json()', after(express.json())],
    ['express.text()', after(express.text({ type: '*/*' }))],
    ['express.urlencoded()', after(express.urlencoded({ type: '*/*' }))],
    ['something that reads the body as text', after(asStream)],
  ])('and says what to change after %s', async (_what, mount) => {
    const app = await start({}, undefined, mount)
    const first = await app.send()
    const second = await app.send()
    expect([first.status, second.status]).toEqual([500, 500])
    expect(first.body).not.toContain('express.json')
    expect(app.handled).toEqual([])
    expect(app.warnings).toEqual([
      expect.stringMatching(/before express\.json\(\), or let that keep the bytes.*256kb.*rawBody: bytes/),
    ])
  })
})

test('an empty body that a parser has read is rejected at once', async () => {
  const app = await start({}, undefined, after(express.json()))
  const socket = await open(app.url)
  const startedAt = performance.now()
  socket.write(head({ 'Transfer-Encoding': 'chunked', 'X-PagerDuty-Signature': sign('other') }) + '0\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toContain('403 Forbidden')
  expect(performance.now() - startedAt).toBeLessThan(2_000 + margin)
})

describe('the bytes are what counts', () => {
  const id = () => `"id":"${crypto.randomUUID()}"`
  const rest = `"event_type":"incident.triggered","occurred_at":"${new Date().toISOString()}"`
  const data = '"data":{"type":"incident","n":1.0,"big":12345678901234567890,"e":"\\u00e9é"}'
  test.each([
    ['numbers and escapes that JSON would write otherwise', () => `{"event":{${id()},${rest},${data}}}`],
    ['another order of members', () => `{"event":{${data},${rest},${id()}}}`],
    ['blanks', () => `{ "event" : {${id()}, ${rest}, ${data}} }`],
    ['a byte order mark', () => `\ufeff{"event":{${id()},${rest},${data}}}`],
    ['a line end', () => `{"event":{${id()},${rest},${data}}}\n`],
  ])('with %s', async (_what, make) => {
    const app = await start()
    const text = make()
    expect((await post(app.path, text)).status).toBe(202)
    const rewritten = JSON.stringify(JSON.parse(text.replace(/^\ufeff/, '')))
    expect((await post(app.path, rewritten, { 'x-pagerduty-signature': sign(text) })).status).toBe(403)
    expect(app.handled).toHaveLength(1)
  })
})

describe('a signature', () => {
  test('that is missing is rejected before the body is read, without a warning', async () => {
    const app = await start()
    const socket = await open(app.url)
    socket.write(head({ 'Content-Length': 100 }))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain('403 Forbidden')
    expect(app.outcomes).toEqual([expect.objectContaining({ outcome: 'rejected', status: 403 })])
    expect(app.warnings).toEqual([])
  })

  test.each([
    ['of another secret', sign('x', 'another secret of 16')],
    ['without digits', 'v1='],
    ['of another version', 'v2=00'],
    ['of 64 other characters', `v1=${'\u00e9'.repeat(64)}`],
    ['that is very long', `v1=${'0'.repeat(8_000)}`],
  ])('%s is rejected with 403, and the operator is warned once', async (_what, signature) => {
    const app = await start()
    const first = await post(app.path, eventText(), { 'x-pagerduty-signature': signature })
    const second = await post(app.path, eventText(), { 'x-pagerduty-signature': signature })
    expect([first.status, second.status]).toEqual([403, 403])
    expect(JSON.parse(first.body)).toEqual({
      title: 'The delivery is not signed with the secret of this webhook',
      status: 403,
      code: 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE',
    })
    expect(app.handled).toEqual([])
    expect(app.warnings).toEqual([
      expect.stringContaining('the webhook secret is not that of the subscription'),
    ])
  })

  test('of a good body does not serve another', async () => {
    const app = await start()
    expect((await app.send('incident.triggered', { body: eventText() })).status).toBe(403)
  })

  test('may stand in one of several header lines', async () => {
    const app = await start()
    const text = eventText()
    const lines = { 'x-pagerduty-signature': [sign(text, 'another secret of 16'), sign(text)] }
    expect((await post(app.path, text, lines)).status).toBe(202)
  })

  test('is one of several while PagerDuty rotates the secret', async () => {
    const app = await start()
    const both = ['the next secret of the app', secret]
    expect((await app.send('incident.triggered', { secret: both })).status).toBe(202)
  })
})

describe('a body', () => {
  test('of 256 KiB is accepted, and one byte more is rejected', async () => {
    const app = await start()
    expect((await post(app.path, eventOfSize(limit))).status).toBe(202)
    const refused = await post(app.path, eventOfSize(limit + 1))
    expect([refused.status, refused.headers.connection]).toEqual([413, 'close'])
    const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' }
    expect((await post(app.path, eventOfSize(limit), chunked)).status).toBe(202)
    expect((await post(app.path, eventOfSize(limit + 1), chunked)).status).toBe(413)
    expect(app.handled).toHaveLength(2)
  })

  test('that a parser kept is held to the same limit', async () => {
    const app = await start({}, undefined, after(express.raw({ type: '*/*', limit: '1mb' })))
    expect((await post(app.path, eventOfSize(limit))).status).toBe(202)
    const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' }
    expect((await post(app.path, eventOfSize(limit + 1), chunked)).status).toBe(413)
  })

  test('that announces too much is rejected without waiting for it', async () => {
    const app = await start()
    const socket = await open(app.url)
    const startedAt = performance.now()
    socket.write(head({ 'Content-Length': 1 << 30, 'X-PagerDuty-Signature': sign('') }))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain('413 Payload Too Large')
    expect(performance.now() - startedAt).toBeLessThan(2_000 + margin)
  })

  test('that is longer than it announces is cut off there and rejected', async () => {
    const app = await start()
    const text = eventText()
    const socket = await open(app.url)
    socket.write(head({ 'Content-Length': 10, 'X-PagerDuty-Signature': sign(text) }) + text)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    // Node may reject the rest as an invalid request before ours gets its response.
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 40[03] /)
    expect(app.handled).toEqual([])
  })

  test('that never ends is neither read nor kept beyond a bound', async () => {
    const app = await start()
    const block = Buffer.alloc(64 * 1024, 'x')
    const chunk = Buffer.concat([Buffer.from(`${block.length.toString(16)}\r\n`), block, Buffer.from('\r\n')])
    const used = () => process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
    const before = used()
    let most = 0
    const floods = Array.from({ length: 8 }, async () => {
      const socket = await open(app.url)
      let answer = ''
      socket.on('data', (data: Buffer) => (answer += data.toString()))
      const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()))
      socket.write(head({ 'Transfer-Encoding': 'chunked', 'X-PagerDuty-Signature': sign('') }))
      let sent = 0
      while (!socket.destroyed && sent < 64 * 1024 * 1024) {
        sent += chunk.length
        if (!socket.write(chunk)) await Promise.race([once(socket, 'drain').catch(() => {}), closed])
        most = Math.max(most, used() - before)
      }
      socket.destroy()
      await closed
      return { sent, answer }
    })
    const outcomes = await Promise.all(floods)
    const sent = Math.max(...outcomes.map((one) => one.sent))
    process.stdout.write(
      `      flood of 8 senders: ${(most / 2 ** 20).toFixed(1)} MB more memory; longest ${(sent / 2 ** 20).toFixed(1)} MB\n`,
    )
    expect(sent).toBeLessThan(32 * 1024 * 1024)
    expect(most).toBeLessThan(48 * 1024 * 1024)
    expect(app.outcomes.map(({ status }) => status)).toEqual(Array(8).fill(413))
    expect((await app.send()).status).toBe(202)
  })

  test('beyond the limit is thrown away while the sender goes on', async () => {
    const received: Socket[] = []
    const app = await start({}, undefined, (express, receiver) => {
      express.use((req, _res, next) => {
        received.push(req.socket)
        next()
      })
      express.post('/hook', receiver)
    })
    const senders = 40
    const block = Buffer.alloc(64 * 1024, 'x')
    const sockets: Socket[] = []
    const arrived = () => received.reduce((sum, { bytesRead }) => sum + bytesRead, 0)
    const before = await buffersHeld()
    for (let index = 0; index < senders; index++) {
      const socket = await open(app.url)
      sockets.push(socket)
      socket.write(head({ 'Transfer-Encoding': 'chunked', 'X-PagerDuty-Signature': sign('') }))
      for (let sent = 0; sent < 1024 * 1024; sent += block.length) {
        socket.write(`${block.length.toString(16)}\r\n`)
        socket.write(block)
        if (!socket.write('\r\n')) await once(socket, 'drain')
      }
    }
    while (arrived() < senders * 1024 * 1024) await new Promise(setImmediate)
    const kept = (await buffersHeld()) - before
    process.stdout.write(
      `      ${senders} MB received and not refused yet: ${(kept / 2 ** 20).toFixed(1)} MB kept\n`,
    )
    expect(kept).toBeLessThan(senders * 0.75 * 1024 * 1024)
    for (const socket of sockets) socket.destroy()
  })

  test('that is compressed is rejected and not inflated, whatever it is signed for', async () => {
    const app = await start()
    const text = eventOfSize(limit)
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    for (const [bytes, signature] of [
      [gzipSync(text), sign(text)],
      [gzipSync(text), sign(gzipSync(text))],
      [bomb, sign(bomb)],
    ] as const) {
      const answer = await post(app.path, bytes, {
        'content-encoding': 'gzip',
        'x-pagerduty-signature': signature,
      })
      expect(answer.status).toBe(415)
    }
    expect(app.handled).toEqual([])
    const identity = await post(app.path, text, { 'content-encoding': 'Identity' })
    expect(identity.status).toBe(202)
  })

  test('that is compressed is rejected even if a parser has inflated it', async () => {
    const app = await start({}, undefined, after(express.json(keep)))
    const text = eventText()
    const headers = { 'content-encoding': 'gzip', 'x-pagerduty-signature': sign(text) }
    expect((await post(app.path, gzipSync(text), headers)).status).toBe(415)
  })

  test('that trickles in gets a response before PagerDuty would hang up', async () => {
    const app = await start()
    const socket = await open(app.url)
    const startedAt = performance.now()
    socket.write(head({ 'Content-Length': 1000, 'X-PagerDuty-Signature': sign('') }))
    const drip = setInterval(() => socket.write('x'), 100)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    clearInterval(drip)
    expect(answer.toString()).toContain('503 Service Unavailable')
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    await once(socket, 'close')
  })

  test('that breaks off is no delivery, and does no harm', async () => {
    const app = await start()
    const socket = await open(app.url)
    const text = eventText()
    socket.write(
      head({ 'Content-Length': text.length, 'X-PagerDuty-Signature': sign(text) }) + text.slice(0, 50),
    )
    const outcome = app.nextOutcome()
    setTimeout(() => socket.destroy(), 50)
    expect(await outcome).toMatchObject({ outcome: 'failed', status: 503 })
    expect((await app.send()).status).toBe(202)
  })

  test('whose request something else destroys does not keep it waiting', async () => {
    const destroy: RequestHandler = (req, _res, next) => {
      setTimeout(() => req.destroy(), 50)
      next()
    }
    const app = await start({}, undefined, after(destroy))
    const socket = await open(app.url)
    socket.write(head({ 'Content-Length': 1000, 'X-PagerDuty-Signature': sign('') }))
    const startedAt = performance.now()
    expect((await app.nextOutcome()).status).toBe(503)
    expect(performance.now() - startedAt).toBeLessThan(2_000 + margin)
  })

  test('that broke off before the receiver came to it does not keep it waiting', async () => {
    const late: RequestHandler = (req, _res, next) => void req.once('close', () => next())
    const app = await start({}, undefined, after(late))
    const socket = await open(app.url)
    socket.write(head({ 'Content-Length': 1000, 'X-PagerDuty-Signature': sign('') }))
    const startedAt = performance.now()
    const outcome = app.nextOutcome()
    setTimeout(() => socket.destroy(), 50)
    expect((await outcome).status).toBe(503)
    expect(performance.now() - startedAt).toBeLessThan(2_000 + margin)
  })

  test('may wait for 100-continue', async () => {
    const app = await start()
    const text = eventText()
    const socket = await open(app.url)
    socket.write(
      head({ Expect: '100-continue', 'Content-Length': text.length, 'X-PagerDuty-Signature': sign(text) }),
    )
    const [interim] = (await once(socket, 'data')) as [Buffer]
    expect(interim.toString()).toContain('100 Continue')
    socket.write(text)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain('202 Accepted')
  })
})

describe('a bearer token', () => {
  const verifyBearer = jest.fn((token: string | undefined) => token === 'good')
  beforeEach(() => verifyBearer.mockClear())

  test.each([
    ['good', true, 202, undefined],
    ['bad', true, 401, 'Bearer error="invalid_token"'],
    [undefined, true, 401, 'Bearer'],
    ['good', false, 403, undefined],
    ['bad', false, 403, undefined],
    [undefined, false, 403, undefined],
  ])('%s, with a good signature: %s, gets %d', async (bearer, isSigned, expected, challenge) => {
    const app = await start({ verifyBearer })
    const { status, headers } = await app.send('incident.triggered', {
      ...(bearer !== undefined && { bearer }),
      ...(!isSigned && { signature: sign('something else') }),
    })
    expect(status).toBe(expected)
    expect(headers.get('www-authenticate')).toBe(challenge ?? null)
    expect(app.handled).toHaveLength(status === 202 ? 1 : 0)
    expect(verifyBearer).toHaveBeenCalledTimes(isSigned ? 1 : 0)
  })

  test('is not checked unless the app sets verifyBearer', async () => {
    const app = await start()
    expect((await app.send('incident.triggered', { bearer: 'anything' })).status).toBe(202)
  })

  test.each<[string, NonNullable<WebhookReceiverOptions['verifyBearer']>]>([
    [
      'throws',
      () => {
        throw Object.assign(new Error('no keys'), { status: 404 })
      },
    ],
    ['rejects', async () => Promise.reject(new Error('no keys'))],
    ['hangs', () => new Promise<boolean>(() => {})],
  ])('whose check %s is a failure on our side', async (_what, check) => {
    const app = await start({ verifyBearer: check })
    const startedAt = performance.now()
    const { status, body } = await app.send('incident.triggered', { bearer: 'good' })
    expect(status).toBe(503)
    expect(body).not.toContain('no keys')
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(app.outcomes).toEqual([expect.objectContaining({ outcome: 'failed' })])
  })
})

describe('an event', () => {
  const hours = (count: number) => new Date(Date.now() + count * 3_600_000).toISOString()

  test.each<[string, WebhookReceiverOptions, Record<string, unknown>, string]>([
    ['of 47 hours ago', {}, { occurred_at: hours(-47) }, 'handled'],
    ['of 49 hours ago', {}, { occurred_at: hours(-49) }, 'expired'],
    ['of no time', {}, { occurred_at: undefined }, 'expired'],
    ['of a time that is none', {}, { occurred_at: 'yesterday' }, 'expired'],
    ['of a number for a time', {}, { occurred_at: 1_700_000_000 }, 'expired'],
    ['of two hours ago, with an hour allowed', { maxAge: 3600 }, { occurred_at: hours(-2) }, 'expired'],
    ['of long ago, with any age allowed', { maxAge: Infinity }, { occurred_at: hours(-9999) }, 'handled'],
    ['of no time, with any age allowed', { maxAge: Infinity }, { occurred_at: undefined }, 'handled'],
    ['of four minutes ahead', {}, { occurred_at: hours(4 / 60) }, 'handled'],
    ['of PagerDuty’s test delivery', {}, { event_type: 'pagey.ping', data: undefined }, 'ignored'],
    ['of a test delivery long ago', {}, { event_type: 'pagey.ping', occurred_at: hours(-99) }, 'ignored'],
    ['of an unknown type', {}, { event_type: 'incident.sung_about', data: null }, 'ignored'],
    ['of a type named like a method', {}, { event_type: 'constructor' }, 'ignored'],
  ])('%s is acknowledged', async (_what, options, members, outcome) => {
    const app = await start(options)
    expect((await post(app.path, eventText(members))).status).toBe(202)
    expect(app.outcomes.map((one) => one.outcome)).toEqual([outcome])
    expect(app.handled).toHaveLength(outcome === 'handled' ? 1 : 0)
  })

  test('from the future means that our clock is wrong, and is delivered again', async () => {
    const app = await start()
    expect((await post(app.path, eventText({ occurred_at: hours(1) }))).status).toBe(503)
    expect(app.warnings).toEqual([expect.stringContaining('Check the clock of this machine')])
  })

  test('of an unknown type goes to the handler for those', async () => {
    const unknown: string[] = []
    const app = await start({ onUnknownEvent: (event) => void unknown.push(event.event_type) })
    for (const event of ['incident.sung_about', 'pagey.ping', 'incident.resolved']) await app.send(event)
    expect(unknown).toEqual(['incident.sung_about'])
    expect(app.handled.map((event) => event.event_type)).toEqual(['incident.resolved'])
  })

  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const wrong = [
    ...['', ' ', '\0', 'null', 'true', '0', '-0', '1e999', '""', '"event"', '[]', '[[]]', '{}', '{'],
    ...['{"event"}', '{"event":}', '{"event":null}', '{"event":[]}', '{"event":"x"}', '{"event":1}'],
    ...['{"event":{}}', '{"event":{"id":"1"}}', '{"Event":{"id":"1","event_type":"a"}}', '[{"event":{}}]'],
    ...['{"event":{"id":1,"event_type":"incident.triggered"}}', '{"event":{"id":"","event_type":"a.b"}}'],
    ...['{"event":{"id":null,"event_type":"a.b"}}', '{"event":{"id":{},"event_type":"a.b"}}'],
    ...['{"event":{"id":["1"],"event_type":"a.b"}}', '{"event":{"id":"1","event_type":["a.b"]}}'],
    ...['{"event":{"id":"1","event_type":""}}', '{"event":{"id":"1","event_type":true}}'],
    ...['{"event":{"id":"a b","event_type":"a.b"}}', '{"event":{"id":"\\u0000","event_type":"a.b"}}'],
    ...['{"event":{"id":"\\ud800","event_type":"a.b"}}', '{"event":{"id":"é","event_type":"a.b"}}'],
    ...[
      `{"event":{"id":"${'x'.repeat(201)}","event_type":"a.b"}}`,
      `{"event":{"id":"1","event_type":"${'x'.repeat(201)}"}}`,
    ],
    ...[
      '{"__proto__":{"event":{"id":"1","event_type":"a.b"}}}',
      '{"event":{"__proto__":{"id":"1","event_type":"a.b"}}}',
    ],
    ...['{"constructor":{"event":{}}}', deep, `{"event":${deep}}`, `{"event":{"id":${deep}}}`],
    ...[
      '{"event":{"id":"1","event_type":"incident.triggered"}}',
      '{"event":{"id":"1","event_type":"incident.triggered","data":null}}',
    ],
    ...[
      '{"event":{"id":"1","event_type":"incident.triggered","data":[]}}',
      '{"event":{"id":"1","event_type":"incident.triggered","data":"x"}}',
    ],
    ...[
      '{"event":{"id":"1","event_type":"a.b"}} x',
      "{'event':{}}",
      '{"event":{"id":"1",}}',
      'undefined',
      'NaN',
    ],
    Buffer.from([0xff, 0xfe, 0x7b, 0x7d]),
    Buffer.from('{"event":{"id":"1","event_type":"a.b","data":{"title":"\xff"}}}', 'latin1'),
    Buffer.from('{"event":{"id":"1","event_type":"a.b\xff"}}', 'latin1'),
  ]

  test('that is malformed in any way is rejected with 400', async () => {
    const app = await start({ onUnknownEvent: () => {} })
    expect(wrong.length).toBeGreaterThan(50)
    const statuses: [string, number][] = []
    for (const body of wrong) statuses.push([String(body).slice(0, 70), (await post(app.path, body)).status])
    expect(statuses.filter(([, status]) => status !== 400)).toEqual([])
    expect(app.handled).toEqual([])
    expect((await app.send()).status).toBe(202)
  })

  test('with members named like prototypes changes none, here or in a handler that merges it', async () => {
    const app = await start()
    const { event } = JSON.parse(eventText()) as { event: Record<string, unknown> }
    const evil =
      '{"__proto__":{"polluted":1},"\\u005f_proto__":{"polluted":2},"list":[{"__proto__":{"polluted":3}}]}'
    const text = JSON.stringify({ event: { ...event, data: 'DATA' } }).replace('"DATA"', evil)
    expect((await post(app.path, text)).status).toBe(202)
    const data = app.handled[0]?.data as unknown as { list: object[] }
    expect(Object.getOwnPropertyNames(data)).toEqual(['list'])
    const merged = Object.assign({}, data, data.list[0]) as { polluted?: number }
    expect(merged.polluted).toBeUndefined()
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})

describe('secrets', () => {
  test('rotate at run time by a function', async () => {
    let secrets: string | string[] = secret
    const app = await start({ webhookSecret: async () => secrets })
    const next = 'the-next-secret-of-the-app'
    const statuses = async () => [
      (await app.send()).status,
      (await app.send('incident.triggered', { secret: next })).status,
    ]
    expect(await statuses()).toEqual([202, 403])
    secrets = [next, secret]
    expect(await statuses()).toEqual([202, 202])
    secrets = [next]
    expect(await statuses()).toEqual([403, 202])
  })

  test.each<[string, () => never, number]>([
    ['nothing', (() => undefined) as () => never, 500],
    ['an empty list', (() => []) as unknown as () => never, 500],
    ['an empty text', (() => '') as unknown as () => never, 500],
    [
      'an error',
      () => {
        throw Object.assign(new Error('vault'), { status: 403 })
      },
      503,
    ],
    ['nothing for ever', (() => new Promise(() => {})) as unknown as () => never, 503],
  ])('whose function gives %s are failures on our side', async (_what, webhookSecret, expected) => {
    const app = await start({ webhookSecret })
    const startedAt = performance.now()
    const { status, body } = await app.send('incident.triggered')
    expect([status, body.includes('vault')]).toEqual([expected, false])
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(app.outcomes).toEqual([expect.objectContaining({ outcome: 'failed', status: expected })])
  })

  test.each([
    undefined,
    '',
    ' ',
    '\n',
    'changeme',
    'change-me-change-me',
    'your-webhook-secret-here',
    'xxxxxxxxxxxxxxxxxxxxxxxx',
    [secret, 'placeholder-of-the-secret'],
    'short',
    [],
    [''],
    [secret, ''],
    `${secret}\n`,
    ` ${secret}`,
    17,
    null,
  ])('such as %j are rejected at start-up', (webhookSecret) => {
    const make = () => webhookReceiver({ webhookSecret: webhookSecret as string }, () => {})
    expect(make).toThrow(ConfigurationError)
    expect(make).toThrow('"webhookSecret"')
  })
})

describe('options', () => {
  test.each([
    ['timeout', { timeout: -1 }],
    ['timeout', { timeout: NaN }],
    ['timeout', { timeout: '3000' as never }],
    ['timeout', { timeout: true as never }],
    ['maxAge', { maxAge: '3600' as never }],
    ['timeout', { timeout: 60_000 }],
    ['maxAge', { maxAge: 0 }],
    ['maxAge', { maxAge: NaN }],
    ['maxAge', { maxAge: 366 * 24 * 60 * 60 }],
    ['name', { name: '' }],
    ['name', { name: 'x'.repeat(65) }],
    ['name', { name: 'é' }],
  ])('that make no sense are rejected by name: %s', (option, options) => {
    expect(() => webhookReceiver({ webhookSecret: secret, ...options }, () => {})).toThrow(`"${option}"`)
  })

  test('need a handler', () => {
    const none = undefined as unknown as () => void
    expect(() => webhookReceiver({ webhookSecret: secret }, none)).toThrow('"handler" is required')
  })

  test('let the app respond, and what it throws goes to Express', async () => {
    const app = await start({ onError: (error, _req, res) => void res.status(error.status).send(error.code) })
    const refused = await app.send('incident.triggered', { signature: 'v1=' })
    expect([refused.status, refused.body]).toEqual([403, 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE'])
    const broken = await start(
      {
        onError: () => {
          throw new Error('no page')
        },
      },
      undefined,
      (express, receiver) => {
        express.post('/hook', receiver)
        express.use(
          ((error: Error, _req, res, _next) =>
            void res.status(502).send(error.message)) as express.ErrorRequestHandler,
        )
      },
    )
    const failed = await broken.send('incident.triggered', { signature: 'v1=' })
    expect([failed.status, failed.body]).toEqual([502, 'no page'])
  })
})
