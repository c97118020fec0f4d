import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bearerFetch } from '../src/bearer-fetch'

type Seen = { url: string | undefined; headers: Record<string, unknown>; body: string }

/** An API that answers with the statuses it is given, in turn, and 200 afterwards. */
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
    refusedToo: () => void (refusals += 1),
  })
}

beforeEach(() => {
  asked = []
  refusals = 0
})
afterEach(() => api.close())

test('sends the token in the Authorization header, whatever the caller put there, and asks for version 2', async () => {
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
])('G7: sends nothing to %s, and asks for no token', async (url) => {
  api = await startAPI()
  const sent = jest.spyOn(globalThis, 'fetch')
  await expect(fetchAt(api)(url)).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_FOREIGN_URL' })
  expect(sent).not.toHaveBeenCalled()
  expect(asked).toEqual([])
  sent.mockRestore()
})

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
  'G10: after a 401 asks for another token than the refused one and sends %s once more',
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

test('a body that can be read only once is not sent again', async () => {
  api = await startAPI([401])
  const init = { method: 'POST', body: new Blob(['note']).stream(), duplex: 'half' } as RequestInit
  expect((await fetchAt(api)('/notes', init)).status).toBe(401)
  expect(api.seen).toHaveLength(1)
})

test('where there is no other token, the answer is the API’s', async () => {
  api = await startAPI([401])
  expect((await fetchAt(api, ['one', 'one'])('/incidents')).status).toBe(401)
  expect(api.seen).toHaveLength(1)
})

test('G10: a 403 asks for no other token', async () => {
  api = await startAPI([403])
  expect((await fetchAt(api)('/incidents')).status).toBe(403)
  expect(asked).toEqual([undefined])
})
