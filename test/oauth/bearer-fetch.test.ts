import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { bearerFetch } from '../../src/oauth/bearer-fetch'
import { APIError } from '../../src/errors/pagerduty-errors'
import { runs } from '../fuzz/runs'

type Seen = { url: string | undefined; headers: Record<string, unknown>; body: string }

/** An API that responds with the given statuses in turn, and with 200 afterwards. */
async function startAPI(statuses: number[] = [], headers: Record<string, string> = {}) {
  const seen: Seen[] = []
  const server = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      seen.push({ url: req.url, headers: req.headers, body })
      res.writeHead(statuses.shift() ?? 200, headers).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const apiURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = () => new Promise((resolve) => server.close(resolve).closeAllConnections())
  return { seen, apiURL, close }
}

type API = Awaited<ReturnType<typeof startAPI>>
let api: API
let asked: (string | undefined)[]
let refusals: number

/** A source whose tokens are numbered. */
function fetchAt({ apiURL }: API, tokens = ['one', 'two', 'three']) {
  return bearerFetch(fetch, {
    apiURL,
    token(refused) {
      asked.push(refused)
      return tokens.shift() as string
    },
    markRejected() {
      refusals += 1
      return undefined
    },
  })
}

beforeEach(() => {
  asked = []
  refusals = 0
})
afterEach(() => api.close())

test('sends the token in the Authorization header, whatever the caller put there, and requests version 2', async () => {
  api = await startAPI()
  await fetchAt(api)('/incidents?limit=1', {
    headers: { authorization: 'Token token=mine', 'x-own': 'kept' },
  })
  expect(api.seen).toMatchObject([
    {
      url: '/incidents?limit=1',
      headers: {
        authorization: 'Bearer one',
        accept: 'application/vnd.pagerduty+json;version=2',
        'x-own': 'kept',
      },
    },
  ])
})

test('takes a whole URL of the API, such as a "next" link', async () => {
  api = await startAPI()
  expect((await fetchAt(api)(`${api.apiURL}/incidents?offset=25`)).status).toBe(200)
  expect(api.seen[0]?.url).toBe('/incidents?offset=25')
})

test.each([
  'https://evil.example/incidents',
  '//evil.example/incidents',
  '\\\\evil.example\\incidents',
  'https:evil.example',
  'http://127.0.0.1:1/incidents',
  'http://api.pagerduty.com@evil.example/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'http://[',
  'ftp://127.0.0.1/',
  '////evil.example',
  '/\\evil.example',
  '\t//evil.example/',
])('G7: sends nothing to %s, and requests no token', async (url) => {
  api = await startAPI()
  const sent = jest.spyOn(globalThis, 'fetch')
  await expect(fetchAt(api)(url)).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_FOREIGN_URL' })
  expect(sent).not.toHaveBeenCalled()
  expect(asked).toEqual([])
  sent.mockRestore()
})

test.each([undefined, null, 5, new Request('http://127.0.0.1/notes', { method: 'POST', body: 'note' })])(
  '%p is neither path nor URL, and is not sent as one',
  async (target) => {
    api = await startAPI()
    await expect(fetchAt(api)(target as never)).rejects.toMatchObject({
      code: 'ERR_PAGERDUTY_FOREIGN_URL',
      hint: expect.stringContaining('of a Request, its url') as string,
    })
    expect(api.seen).toEqual([])
  },
)

test.each([301, 302, 303, 307, 308])(
  'G7: follows no redirect (%i), so that no other host sees the token',
  async (status) => {
    const other = await startAPI()
    api = await startAPI([status], { location: `${other.apiURL}/stolen` })
    await expect(fetchAt(api)('/incidents')).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_API_REDIRECT' })
    expect(other.seen).toEqual([])
    await other.close()
  },
)

test.each<[string, RequestInit]>([
  ['a GET', {}],
  ['a text', { method: 'POST', body: 'note' }],
  ['bytes', { method: 'POST', body: new Uint8Array([110, 111, 116, 101]) }],
  ['a form', { method: 'POST', body: new URLSearchParams('a=b') }],
])(
  'G10: after a 401 requests a token other than the rejected one and sends %s once more',
  async (_what, init) => {
    api = await startAPI([401])
    expect((await fetchAt(api)('/notes', init)).status).toBe(200)
    expect(asked).toEqual([undefined, 'one'])
    const [first, second] = api.seen as [Seen, Seen]
    expect(second.headers['authorization']).toBe('Bearer two')
    expect(second.body).toBe(first.body)
    expect(refusals).toBe(0)
  },
)

test('G10: gives up after the second 401, and says that another token did not help', async () => {
  api = await startAPI([401, 401, 401])
  expect((await fetchAt(api)('/incidents')).status).toBe(401)
  expect(api.seen).toHaveLength(2)
  expect(refusals).toBe(1)
})

test('a body that can be read only once is not sent again, but the rejected token is replaced for the next call', async () => {
  api = await startAPI([401])
  const init = { method: 'POST', body: new Blob(['note']).stream(), duplex: 'half' } as RequestInit
  expect((await fetchAt(api)('/notes', init)).status).toBe(401)
  expect(api.seen).toHaveLength(1)
  expect(asked).toEqual([undefined, 'one'])
})

test('if there is no other token, the response is the API’s', async () => {
  api = await startAPI([401])
  expect((await fetchAt(api, ['one', 'one'])('/incidents')).status).toBe(401)
  expect(api.seen).toHaveLength(1)
})

test('G10: a 403 requests no other token', async () => {
  api = await startAPI([403])
  expect((await fetchAt(api)('/incidents')).status).toBe(403)
  expect(asked).toEqual([undefined])
})

test('G7: sends nothing to what only looks like the API: a blob of it, or a name before its host', async () => {
  api = await startAPI()
  const { host } = new URL(api.apiURL)
  const fetchIt = fetchAt(api)
  const sent = jest.spyOn(globalThis, 'fetch')
  for (const url of [
    `blob:${api.apiURL}/5d2b8a1e`,
    `http://user@${host}/incidents`,
    `http://user:password@${host}/incidents`,
    `${api.apiURL}@evil.example/`,
    `${api.apiURL}.evil.example/`,
    `${api.apiURL}0/`,
    `https://${host}/`,
  ])
    await expect(fetchIt(url)).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_FOREIGN_URL' })
  expect(sent).not.toHaveBeenCalled()
  sent.mockRestore()
})

test('G7: whatever is requested, the token goes to the API’s origin or nowhere', async () => {
  api = await startAPI()
  const { apiURL } = api
  const hosts = new Set<string>()
  const recording: typeof fetch = async (url, init) => {
    hosts.add(new URL(String(url)).origin)
    expect(init?.redirect).toBe('manual')
    expect(new URL(String(url)).username).toBe('')
    return Response.json({})
  }
  const send = bearerFetch(recording, { apiURL, token: () => 'one', markRejected: () => undefined })
  const part = fc.constantFrom(
    ...[
      'http:',
      'https:',
      'blob:',
      'data:',
      '//',
      '/',
      '\\',
      '@',
      ':',
      '.',
      '?',
      '#',
      '%2f',
      '\t',
      ' ',
      '[::1]',
    ],
    ...['evil.example', 'api.pagerduty.com', apiURL, new URL(apiURL).host, 'incidents', '127.0.0.1', ''],
  )
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      const ending = await send(parts.join('')).then(
        () => 'sent',
        (error: Error) => error.name,
      )
      expect(['sent', 'RequestRefusedError']).toContain(ending)
    }),
    runs(3000),
  )
  expect([...hosts]).toEqual([apiURL])
})

test('the token goes to the MCP server of the source too, by its URL alone, and is replaced there', async () => {
  api = await startAPI([401])
  const rest = 'https://api.pagerduty.com'
  const tokens = ['one', 'two']
  const source = { apiURL: rest, mcpURL: api.apiURL, token: () => tokens.shift() as string }
  const send = bearerFetch(fetch, { ...source, markRejected: () => undefined })
  expect((await send(new URL('/mcp', api.apiURL), { method: 'POST', body: '{}' })).status).toBe(200)
  expect(api.seen.map(({ headers }) => headers['authorization'])).toEqual(['Bearer one', 'Bearer two'])
  await expect(send('https://mcp.example/mcp')).rejects.toThrow(`sent to ${rest} and ${api.apiURL} only`)
  const mcpURL = 'https://mcp.pagerduty.com'
  const elsewhere = bearerFetch(fetch, { ...source, mcpURL, markRejected: () => undefined })
  await expect(elsewhere(`${mcpURL}.evil.example/mcp`)).rejects.toThrow(`and ${mcpURL} only`)
})

test('without a user there is no API, and the source says so', async () => {
  api = await startAPI()
  const nobody = new Error('Log in first')
  const send = bearerFetch(fetch, {
    apiURL: '',
    token: () => Promise.reject(nobody),
    markRejected: () => undefined,
  })
  await expect(send('/incidents')).rejects.toBe(nobody)
})

describe('G10: a rejected second token', () => {
  /** A source that has one more token after the second was rejected. */
  function fetchWithLast({ apiURL }: API, last: () => Promise<string> | undefined) {
    return bearerFetch(fetch, { apiURL, token: (refused) => (refused ? 'two' : 'one'), markRejected: last })
  }

  test('is followed by one more, if the source has a new one', async () => {
    api = await startAPI([401, 401])
    const markRejected = jest.fn(async () => 'three')
    expect((await fetchWithLast(api, markRejected)('/incidents')).status).toBe(200)
    expect(api.seen.map(({ headers }) => headers['authorization'])).toEqual([
      'Bearer one',
      'Bearer two',
      'Bearer three',
    ])
    expect(markRejected.mock.calls).toEqual([['two']])
  })

  test('is followed by no fourth', async () => {
    api = await startAPI([401, 401, 401, 401, 401])
    let count = 2
    const markRejected = jest.fn(async () => `token ${++count}`)
    expect((await fetchWithLast(api, markRejected)('/incidents')).status).toBe(401)
    expect(api.seen).toHaveLength(3)
  })

  test('with a source that fails is the source’s failure', async () => {
    api = await startAPI([401])
    const failure = new Error('PagerDuty gives no token')
    const send = bearerFetch(fetch, {
      apiURL: api.apiURL,
      token: (refused) => (refused === undefined ? 'one' : Promise.reject(failure)),
      markRejected: () => undefined,
    })
    await expect(send('/incidents')).rejects.toBe(failure)
  })
})

describe('after a 429', () => {
  const soon = { 'ratelimit-reset': '0' }

  test('returns it at once, unless the caller requested a retry', async () => {
    api = await startAPI([429], { 'ratelimit-reset': '60' })
    expect((await fetchAt(api)('/incidents')).status).toBe(429)
    expect(api.seen).toHaveLength(1)
  })

  test('waits as long as PagerDuty says', async () => {
    api = await startAPI([429], { 'ratelimit-reset': '1' })
    const startedAt = performance.now()
    expect((await fetchAt(api)('/incidents', { retry: 1 })).status).toBe(200)
    expect(performance.now() - startedAt).toBeGreaterThan(990)
    expect(api.seen).toHaveLength(2)
  })

  test('waits one second if PagerDuty does not say how long', async () => {
    api = await startAPI([429])
    const startedAt = performance.now()
    expect((await fetchAt(api)('/incidents', { retry: 1 })).status).toBe(200)
    expect(performance.now() - startedAt).toBeGreaterThan(990)
  })

  test.each([
    [0, 1],
    [1, 2],
    [3, 4],
    [-1, 1],
    [NaN, 1],
  ])('tries at most %d times more', async (retry, sent) => {
    api = await startAPI(Array(10).fill(429) as number[], soon)
    expect((await fetchAt(api, Array(10).fill('one') as string[])('/incidents', { retry })).status).toBe(429)
    expect(api.seen).toHaveLength(sent)
  })

  test('sends the same body again, with the token of that moment', async () => {
    api = await startAPI([429], soon)
    await fetchAt(api)('/notes', { method: 'POST', body: 'note', retry: 1 })
    expect(api.seen.map(({ body, headers }) => [body, headers['authorization']])).toEqual([
      ['note', 'Bearer one'],
      ['note', 'Bearer two'],
    ])
  })

  test('never sends a stream again', async () => {
    api = await startAPI([429], soon)
    const init = {
      method: 'POST',
      body: new Blob(['note']).stream(),
      duplex: 'half',
      retry: 5,
    } as RequestInit
    expect((await fetchAt(api)('/notes', init)).status).toBe(429)
    expect(api.seen).toHaveLength(1)
  })

  test('stops waiting when the signal says so, with the reason that it gives', async () => {
    api = await startAPI([429], { 'ratelimit-reset': '600' })
    const controller = new AbortController()
    const reason = new Error('The browser has gone')
    const waiting = fetchAt(api)('/incidents', { retry: 1, signal: controller.signal })
    while (api.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    setTimeout(() => controller.abort(reason), 50)
    await expect(waiting).rejects.toBe(reason)
    expect(api.seen).toHaveLength(1)
  })
})

describe('a signal', () => {
  test('that is already aborted requests no token', async () => {
    api = await startAPI()
    const reason = new Error('Too late')
    await expect(fetchAt(api)('/incidents', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(asked).toEqual([])
  })

  test('that is aborted while the token is being requested is obeyed, and a later failure of the token is ignored', async () => {
    api = await startAPI()
    let fail: (error: Error) => void = () => {}
    const token = new Promise<string>((_, reject) => (fail = reject))
    const send = bearerFetch(fetch, { apiURL: api.apiURL, token: () => token, markRejected: () => undefined })
    const controller = new AbortController()
    const gone = send('/incidents', { signal: controller.signal })
    controller.abort(new Error('Gone'))
    await expect(gone).rejects.toThrow('Gone')
    fail(new Error('No token'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(api.seen).toEqual([])
  })

  test('is not kept once the token is there', async () => {
    api = await startAPI()
    const { signal } = new AbortController()
    const added = jest.spyOn(signal, 'addEventListener')
    const removed = jest.spyOn(signal, 'removeEventListener')
    const send = bearerFetch(async () => Response.json({}), {
      apiURL: api.apiURL,
      token: async () => 'one',
      markRejected: () => undefined,
    })
    for (let call = 0; call < 20; call++) await send('/incidents', { signal })
    expect(added).toHaveBeenCalledTimes(20)
    expect(removed).toHaveBeenCalledTimes(20)
  })
})

test.each<[string, () => ArrayBuffer | Blob]>([
  ['an ArrayBuffer', () => new TextEncoder().encode('note').buffer],
  ['a Blob', () => new Blob(['note'])],
])('G10: %s can be sent again', async (_what, body) => {
  api = await startAPI([401])
  expect((await fetchAt(api)('/notes', { method: 'POST', body: body() })).status).toBe(200)
  expect(api.seen.map((request) => request.body)).toEqual(['note', 'note'])
})

test('an API that cannot be reached is a 503 that names its host, and not what fetch says', async () => {
  api = await startAPI()
  const fetchIt = fetchAt(api)
  await api.close()
  const failure = await fetchIt('/incidents').catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(APIError)
  expect(failure).toMatchObject({
    code: 'ERR_PAGERDUTY_API_UNREACHABLE',
    message: `${new URL(api.apiURL).host} could not be reached (ECONNREFUSED)`,
    status: 503,
    headers: { 'Retry-After': '5' },
    httpStatus: undefined,
    isTransient: true,
  })
})

test('what the caller did wrong, and the reason of a signal, stay what they are', async () => {
  api = await startAPI()
  await expect(fetchAt(api)('/incidents', { headers: { 'a b': 'c' } })).rejects.toThrow(
    'is an invalid header name',
  )
  const reason = new Error('Enough')
  await expect(fetchAt(api)('/incidents', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})
