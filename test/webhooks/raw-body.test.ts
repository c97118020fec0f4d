import { once } from 'node:events'
import express, { type Request, type RequestHandler } from 'express'
import { ConfigurationError, WebhookError } from '../../src/errors/errors'
import { rawBody } from '../../src/webhooks/raw-body'
import { type RunningApp, serve } from '../support/app'
import { type Answered, head, open, post } from '../support/webhooks'

const limit = 1_000
const mebibyte = 1024 * 1024
/** Milliseconds; for what is not to be cut off, on however busy a machine. */
const ample = 5_000

const running: RunningApp[] = []
afterEach(() => Promise.all(running.splice(0).map((one) => one.close())))

/** What became of the bodies of an app's requests. */
interface Reading {
  url: string
  requests: Request[]
  outcomes: Promise<Uint8Array | Error>[]
}

/** An app that reads bodies, behind other handlers. */
async function start(timeout: number, ...before: RequestHandler[]): Promise<Reading> {
  const requests: Request[] = []
  const outcomes: Reading['outcomes'] = []
  const app = await serve((made) => {
    made.post('/hook', ...before, async (req, res) => {
      const outcome = rawBody(req, limit, timeout).catch((error: Error) => error)
      requests.push(req)
      outcomes.push(outcome)
      const read = await outcome
      const { status = 200, headers = {} } = read as Partial<WebhookError>
      res.status(status).set(headers).send(`${req.readableFlowing}`)
    })
  })
  running.push(app)
  return { url: `${app.url}/hook`, requests, outcomes }
}

async function outcomeOf(app: Reading, body: string | Uint8Array, headers = {}): Promise<Uint8Array | Error> {
  await post(app.url, body, headers)
  return app.outcomes.at(-1) as Promise<Uint8Array | Error>
}

const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' }
const keep: RequestHandler = express.json({
  type: '*/*',
  limit: '1mb',
  verify: (req, _res, bytes) => void Object.assign(req, { rawBody: bytes }),
})

/** Sends the head of a request and something of its body, by hand. */
async function begin(app: Reading, headers: Record<string, string | number>, text = '') {
  const socket = await open(app.url)
  socket.write(head(headers) + text)
  while (app.outcomes.length === 0) await new Promise(setImmediate)
  return { socket, outcome: app.outcomes[0] as Promise<Uint8Array | Error> }
}

/** Whether a promise is settled, after the process has had time to do so. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = new Promise<string>((resolve) => void setTimeout(() => resolve('pending'), 50))
  return (await Promise.race([promise, pending])) !== 'pending'
}

describe('a body is read', () => {
  test.each([
    ['of some bytes', Buffer.from([0, 0xff, 0xc3, 0x28, 0x0d, 0x0a])],
    ['of none', Buffer.alloc(0)],
    ['of as many as are allowed', Buffer.alloc(limit, 'x')],
  ])('%s, as it was sent', async (_what, bytes) => {
    const app = await start(ample)
    expect(await outcomeOf(app, bytes)).toEqual(bytes)
    expect(await outcomeOf(app, bytes, chunked)).toEqual(bytes)
  })

  test('that comes in pieces', async () => {
    const app = await start(ample)
    const { socket, outcome } = await begin(app, { 'Content-Length': 9 }, 'one')
    for (const piece of ['two', 'sit']) {
      expect(await isSettled(outcome)).toBe(false)
      socket.write(piece)
    }
    expect(String(await outcome)).toBe('onetwosit')
    socket.destroy()
  })

  test.each(['identity', 'Identity', ''])('that is called %j', async (encoding) => {
    const app = await start(ample)
    expect(String(await outcomeOf(app, 'text', { 'content-encoding': encoding }))).toBe('text')
  })
})

describe('a body that earlier middleware has read', () => {
  const put =
    (members: object): RequestHandler =>
    (req, _res, next) => {
      Object.assign(req, members)
      next()
    }

  test.each<[string, RequestHandler[]]>([
    ['as rawBody', [keep]],
    ['as rawBody in text', [keep, (req, _res, next) => put({ rawBody: '{"a":"Ærø"}' })(req, _res, next)]],
    ['as the body', [express.raw({ type: '*/*' })]],
    ['as rawBody, beside another body of bytes', [keep, put({ body: Buffer.from('other') })]],
    ['as bytes of another kind', [keep, put({ rawBody: new TextEncoder().encode('{"a":"Ærø"}') })]],
    ['as a text that is no body beside bytes', [express.raw({ type: '*/*' }), put({ rawBody: 'other' })]],
  ])('is taken where it was kept %s', async (_how, before) => {
    const app = await start(ample, ...before)
    expect(Buffer.from((await outcomeOf(app, '{"a":"Ærø"}')) as Uint8Array).toString()).toBe('{"a":"Ærø"}')
  })

  test('is held to the same limit', async () => {
    const app = await start(ample, express.raw({ type: '*/*' }))
    const bytes = Buffer.alloc(limit, 'x')
    expect(await outcomeOf(app, bytes, chunked)).toEqual(bytes)
    expect(await outcomeOf(app, `${bytes}x`, chunked)).toMatchObject({ status: 413 })
  })

  test('is unusable if it was kept in any other form, and a configuration error says so', async () => {
    const asText: RequestHandler = (req, _res, next) => {
      req.setEncoding('utf8')
      next()
    }
    for (const parser of [express.json({ type: '*/*' }), express.text({ type: '*/*' }), asText]) {
      const outcome = await outcomeOf(await start(ample, parser), '{}')
      expect(outcome).toBeInstanceOf(ConfigurationError)
      expect(outcome).toMatchObject({
        option: 'webhook',
        hint: expect.stringContaining('rawBody: bytes'),
      })
    }
  })

  test('is still to be read where a parser left it alone', async () => {
    const app = await start(ample, express.json({ type: 'application/x-other' }), put({ body: {} }))
    expect(String(await outcomeOf(app, 'text'))).toBe('text')
  })

  test('is empty where there was nothing to read', async () => {
    const ended: RequestHandler = (req, _res, next) => {
      req.once('end', () => next())
      req.resume()
    }
    const app = await start(ample, express.json({ type: '*/*' }))
    expect(await outcomeOf(app, '', chunked)).toEqual(new Uint8Array())
    // What was read and discarded may not have been empty.
    expect(await outcomeOf(await start(ample, ended), 'text')).toBeInstanceOf(ConfigurationError)
  })
})

describe('a body that is too long', () => {
  const tooLong = { code: 'ERR_PAGERDUTY_WEBHOOK_TOO_LARGE', status: 413, headers: { Connection: 'close' } }

  test.each([
    ['as it says', {}],
    ['without saying so', chunked],
  ])('%s is rejected at one byte over the limit', async (_how, headers) => {
    const app = await start(ample)
    const outcome = await outcomeOf(app, 'x'.repeat(limit + 1), headers)
    expect(outcome).toBeInstanceOf(WebhookError)
    expect(outcome).toMatchObject({ ...tooLong, isTransient: false })
  })

  test('is read in full before it is rejected, so that the response arrives', async () => {
    const app = await start(ample)
    const { socket, outcome } = await begin(app, { 'Content-Length': limit + mebibyte })
    socket.write('x'.repeat(limit + mebibyte - 1))
    expect(await isSettled(outcome)).toBe(false)
    socket.write('x')
    expect(await outcome).toMatchObject(tooLong)
    socket.destroy()
  })

  test('is not waited for where it is too long by more than a mebibyte', async () => {
    const app = await start(ample)
    const { socket, outcome } = await begin(app, { 'Content-Length': limit + mebibyte + 1 })
    const startedAt = performance.now()
    expect(await outcome).toMatchObject(tooLong)
    expect(performance.now() - startedAt).toBeLessThan(ample / 2)
    socket.destroy()
  })

  test('by more than a mebibyte without saying so is left at that', async () => {
    const app = await start(ample)
    const { socket, outcome } = await begin(app, { 'Transfer-Encoding': 'chunked' })
    const size = limit + mebibyte
    socket.write(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`)
    expect(await isSettled(outcome)).toBe(false)
    socket.write('1\r\nx\r\n')
    const startedAt = performance.now()
    expect(await outcome).toMatchObject(tooLong)
    expect(performance.now() - startedAt).toBeLessThan(ample / 2)
    socket.destroy()
  })

  test('is too long also where it stops coming', async () => {
    const app = await start(100)
    const { socket, outcome } = await begin(
      app,
      { 'Transfer-Encoding': 'chunked' },
      `${(limit + 1).toString(16)}\r\n${'x'.repeat(limit + 1)}\r\n`,
    )
    expect(await outcome).toMatchObject(tooLong)
    socket.destroy()
  })
})

describe('a body that is encoded', () => {
  const encoded = {
    code: 'ERR_PAGERDUTY_WEBHOOK_ENCODING',
    status: 415,
    headers: { Connection: 'close' },
    isTransient: false,
  }

  test.each([
    'gzip',
    'br',
    'identity, gzip',
    'gzip, identity',
    'xidentity',
    'identityx',
    'identity identity',
  ])('as %s is rejected, kept or not', async (encoding) => {
    for (const app of [await start(ample), await start(ample, put)])
      expect(await outcomeOf(app, 'text', { 'content-encoding': encoding })).toMatchObject(encoded)
  })
  const put: RequestHandler = (req, _res, next) => {
    Object.assign(req, { rawBody: Buffer.from('text') })
    next()
  }

  test('is rejected for its encoding even if it is too long as well', async () => {
    const app = await start(ample)
    const headers = { 'content-encoding': 'gzip' }
    expect(await outcomeOf(app, 'x'.repeat(limit + 1), headers)).toMatchObject(encoded)
  })
})

describe('a body that does not arrive', () => {
  const incomplete = {
    code: 'ERR_PAGERDUTY_WEBHOOK_INCOMPLETE',
    status: 503,
    headers: { Connection: 'close', 'Retry-After': '5' },
    isTransient: true,
  }

  test('in time is rejected with a transient error, and what still arrives is not kept', async () => {
    const app = await start(100)
    const { socket, outcome } = await begin(app, { 'Content-Length': 1000 }, 'x')
    expect(await outcome).toMatchObject({ ...incomplete, message: expect.stringContaining('too slow') })
    expect(app.requests[0]?.listenerCount('data')).toBe(0)
    socket.destroy()
  })

  test('in full is rejected with a transient error, even if as much of it as allowed has arrived', async () => {
    const app = await start(100)
    const chunk = `${limit.toString(16)}\r\n${'x'.repeat(limit)}\r\n`
    const { socket, outcome } = await begin(app, { 'Transfer-Encoding': 'chunked' }, chunk)
    expect(await outcome).toMatchObject(incomplete)
    socket.destroy()
  })

  test.each(['the sender is gone', 'something destroys the request'])(
    'in full because %s is rejected at once',
    async (why) => {
      const app = await start(ample)
      const { socket, outcome } = await begin(app, { 'Content-Length': 1000 }, 'x')
      if (why === 'the sender is gone') socket.destroy()
      else app.requests[0]?.destroy()
      const startedAt = performance.now()
      expect(await outcome).toMatchObject({ ...incomplete, message: expect.stringContaining('broken off') })
      expect(performance.now() - startedAt).toBeLessThan(ample / 2)
      socket.destroy()
    },
  )

  test('because the sender was gone before, or something has destroyed the request', async () => {
    const late: RequestHandler = (req, _res, next) => void req.once('close', () => next())
    const destroyed: RequestHandler = (req, _res, next) => {
      req.destroy()
      next()
    }
    for (const before of [late, destroyed]) {
      const app = await start(ample, before)
      const socket = await open(app.url)
      socket.write(head({ 'Content-Length': 1000 }))
      if (before === late) setTimeout(() => socket.destroy(), 20)
      await once(socket, 'close')
      while (app.outcomes.length === 0) await new Promise(setImmediate)
      const startedAt = performance.now()
      expect(await app.outcomes[0]).toMatchObject({
        ...incomplete,
        message: expect.stringContaining('broken off'),
      })
      expect(performance.now() - startedAt).toBeLessThan(ample / 2)
    }
  })

  test('is not waited for past the deadline if it is rejected anyway', async () => {
    const app = await start(100)
    const { socket, outcome } = await begin(app, { 'Content-Length': limit + 1 }, 'x')
    expect(await outcome).toMatchObject({ status: 413 })
    socket.destroy()
  })
})

test('the connection of a rejected body stays open for the response', async () => {
  const app = await start(ample)
  const answer: Answered = await post(app.url, 'x'.repeat(limit + 1))
  expect([answer.status, answer.headers.connection]).toEqual([413, 'close'])
})
