import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { APIError } from '../../src'
import { bearerFetch } from '../../src/oauth/bearer-fetch'
import { type PageInit, paginate } from '../../src/oauth/paginate'

// A list waits for rate limits; here it does so in no time.
jest.mock('node:timers/promises', () => ({ setTimeout: () => Promise.resolve() }))

type Reply = { status?: number; headers?: Record<string, string>; body: unknown }

const servers: { close(): Promise<unknown> }[] = []
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())))

/** A list of PagerDuty's, by a function of the query; `seen` has each query with its token. */
async function startList(reply: (query: URLSearchParams, count: number) => Reply) {
  const seen: string[] = []
  const tokens: (string | undefined)[] = []
  const server = createServer((req, res) => {
    const { search, searchParams } = new URL(req.url ?? '', 'http://localhost')
    seen.push(decodeURIComponent(search))
    tokens.push(req.headers.authorization)
    const { status = 200, headers = {}, body } = reply(searchParams, seen.length)
    res.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) })
  const apiURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let issued = 0
  const send = bearerFetch(fetch, {
    apiURL,
    token: () => `token-${++issued}`,
    markRejected: () => undefined,
  })
  const read = (path = '/incidents', init?: PageInit) => paginate<{ id: number }, object>(send, path, init)
  return { seen, tokens, apiURL, read }
}

const items = (count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => ({ id: first + index }))

/** So many items by offset and limit, as most of PagerDuty's lists have it. */
const byOffset =
  (total: number, more: object = {}) =>
  (query: URLSearchParams): Reply => {
    const limit = Math.min(Number(query.get('limit') ?? 25), 100)
    const offset = Number(query.get('offset') ?? 0)
    if (offset + limit > 10_000) return { status: 400, body: { error: { message: 'Too far', code: 2002 } } }
    const incidents = items(Math.max(0, Math.min(limit, total - offset)), offset)
    return { body: { incidents, limit, offset, total: null, more: total > offset + limit, ...more } }
  }

/** All items; those that came before an error, if it is given a place for them. */
async function all(list: AsyncIterable<{ id: number }>, into: number[] = []): Promise<number[]> {
  for await (const { id } of list) into.push(id)
  return into
}

const ids = (count: number) => items(count).map(({ id }) => id)

describe('a list by offset', () => {
  test.each([0, 1, 99, 100, 101, 237])('of %i items is read whole, a hundred at a time', async (total) => {
    const { read, seen, tokens } = await startList(byOffset(total))
    expect(await all(read('/incidents?statuses[]=triggered'))).toEqual(ids(total))
    const pages = Math.max(1, Math.ceil(total / 100))
    expect(seen).toEqual(
      Array.from({ length: pages }, (_, page) => {
        const query = '?statuses[]=triggered&limit=100'
        return page === 0 ? query : `${query}&offset=${page * 100}`
      }),
    )
    // Each page requests the current token.
    expect(tokens).toEqual(seen.map((_, page) => `Bearer token-${page + 1}`))
  })

  test('is read with the limit and from the offset that the query says', async () => {
    const { read, seen } = await startList(byOffset(10))
    expect(await all(read('/incidents?limit=4&offset=1'))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(seen).toEqual(['?limit=4&offset=1', '?limit=4&offset=5', '?limit=4&offset=9'])
  })

  test('is read whole if PagerDuty returns fewer items per page than requested', async () => {
    const { read, seen } = await startList(byOffset(250))
    expect(await all(read('/incidents?limit=1000'))).toEqual(ids(250))
    expect(seen).toHaveLength(3)
  })

  test('is read whole if the response has null for offset and limit, as change events do', async () => {
    const { read } = await startList(byOffset(237, { offset: null, limit: null }))
    expect(await all(read())).toEqual(ids(237))
  })

  test('takes a whole URL of the API', async () => {
    const { read, apiURL } = await startList(byOffset(150))
    expect(await all(read(`${apiURL}/incidents#top`))).toHaveLength(150)
  })

  test.each([
    [100, 10_000],
    [30, 10_000],
    [100, 9_999],
  ])('with pages of %i has all of its %i items', async (limit, total) => {
    const { read } = await startList(byOffset(total))
    expect(await all(read(`/incidents?limit=${limit}`))).toEqual(ids(total))
  })

  test('that begins near the end of what PagerDuty gives has a shorter page', async () => {
    const { read, seen } = await startList(byOffset(10_000))
    expect(await all(read('/incidents?offset=9950'))).toHaveLength(50)
    expect(seen).toHaveLength(1)
  })

  test.each([100, 30])(
    'of more than 10,000 items ends with an error after those, by pages of %i',
    async (limit) => {
      const { read, seen } = await startList(byOffset(10_001))
      const before: number[] = []
      await expect(all(read(`/incidents?limit=${limit}`), before)).rejects.toMatchObject({
        name: 'RequestRefusedError',
        code: 'ERR_PAGERDUTY_LIST_TOO_LONG',
        message: 'GET /incidents has more than the 10,000 items that PagerDuty gives of one list',
        hint: expect.stringContaining('since and until') as string,
      })
      expect(before).toEqual(ids(10_000))
      expect(seen).toHaveLength(Math.ceil(10_000 / limit))
    },
  )
})

describe('a list by cursor', () => {
  test.each([
    ['next_cursor', 'cursor'],
    ['after', 'after'],
  ])('%s is read whole', async (member, parameter) => {
    const { read, seen } = await startList((query) => {
      const page = Number(query.get(parameter)?.replace('page+/', '') ?? 1)
      return {
        body: { records: items(2, page * 2 - 2), limit: 2, [member]: page < 3 ? `page+/${page + 1}` : null },
      }
    })
    expect(await all(read('/audit/records?since=2026-01-01'))).toEqual(ids(6))
    expect(seen.map((query) => query.replaceAll('+', ' '))).toEqual([
      '?since=2026-01-01&limit=100',
      `?since=2026-01-01&limit=100&${parameter}=page /2`,
      `?since=2026-01-01&limit=100&${parameter}=page /3`,
    ])
  })

  test('may be longer than 10,000', async () => {
    const { read } = await startList((query) => {
      const page = Number(query.get('cursor') ?? 1)
      return {
        body: { records: items(1_000, page * 1_000 - 1_000), next_cursor: page < 12 ? String(page + 1) : '' },
      }
    })
    expect(await all(read('/audit/records'))).toEqual(ids(12_000))
  })

  test.each([
    [0, 1],
    [0, 2],
    [0, 7],
    [5, 1],
    [5, 3],
  ])(
    'that comes back, %i pages after the first, every %i pages, ends with an error',
    async (before, period) => {
      const { read, seen } = await startList((_query, count) => {
        const next = count <= before ? `once ${count}` : `again ${count % period}`
        return { body: { records: items(1), next_cursor: next } }
      })
      await expect(all(read('/audit/records'))).rejects.toMatchObject({
        code: 'ERR_PAGERDUTY_NO_LIST',
        message: 'The pages of GET /audit/records repeat themselves',
      })
      expect(seen.length).toBeLessThanOrEqual(3 * (before + period) + 1)
    },
  )
})

describe('a response', () => {
  test('without pagination is one page', async () => {
    const { read, seen } = await startList(() => ({ body: { abilities: items(130) } }))
    expect(await all(read('/abilities'))).toEqual(ids(130))
    expect(seen).toHaveLength(1)
  })

  test.each<[string, unknown, string, string]>([
    ['no list', { incident: {} }, 'has no list', 'incident'],
    [
      'several lists',
      { users: [], teams: [], more: false },
      'has more than one list: users, teams',
      'users, teams, more',
    ],
    ['a list without a name', [{ id: 1 }], 'has no list', 'none'],
    ['no JSON', '<html>', 'has no list', 'none'],
    ['null', null, 'has no list', 'none'],
    ['nothing', '', 'has no list', 'none'],
  ])('with %s is an error that names its members', async (_what, body, found, members) => {
    const { read } = await startList(() => ({ body: typeof body === 'string' ? body : JSON.stringify(body) }))
    await expect(all(read('/tags/PTAG001/users'))).rejects.toMatchObject({
      code: 'ERR_PAGERDUTY_NO_LIST',
      message: `PagerDuty’s response to GET /tags/{id}/{entity_type} ${found}`,
      hint: `Read it with fetch(). Its members are: ${members}.`,
    })
  })

  test.each<[string, object]>([
    ['no offset', { offset: undefined }],
    ['another offset than was asked for', { offset: 100 }],
    ['a limit of none', { limit: 0 }],
    ['a negative limit', { limit: -100 }],
  ])('that has more and %s ends with an error after its items', async (_what, more) => {
    const { read, seen } = await startList(byOffset(237, more))
    const before: number[] = []
    await expect(all(read('/business_services/impacts'), before)).rejects.toMatchObject({
      code: 'ERR_PAGERDUTY_NO_LIST',
      message:
        'PagerDuty’s response to GET /business_services/impacts says that there is more, but not where',
    })
    expect(before).toEqual(ids(100))
    expect(seen).toHaveLength(1)
  })

  test('whose offset stands still ends with an error, and gives no item twice', async () => {
    const { read, seen } = await startList(byOffset(500, { offset: 0 }))
    const before: number[] = []
    await expect(all(read('/incidents'), before)).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_NO_LIST' })
    expect(before).toEqual(ids(100))
    expect(seen).toHaveLength(2)
  })

  test('that is an error is that error', async () => {
    const error = { message: 'Not Found', code: 2100 }
    const { read } = await startList((query) =>
      query.has('offset') ? { status: 404, body: { error } } : byOffset(237)(query),
    )
    const before: number[] = []
    const failed = await all(read(), before).catch((thrown: unknown) => thrown)
    expect(failed).toBeInstanceOf(APIError)
    expect(failed).toMatchObject({ httpStatus: 404, apiCode: 2100 })
    expect(before).toHaveLength(100)
  })
})

test.each([
  ['a cursor that is none', { next_cursor: 7 }],
  ['a cursor that is an object', { next_cursor: {} }],
  ['a mark that is no boolean', { more: 'true', offset: 0, limit: 100 }],
])('%s does not end a list as if it were whole', async (_what, rest) => {
  const { read } = await startList(() => ({ body: { incidents: items(1), ...rest } }))
  await expect(all(read())).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_NO_LIST' })
})

test('empty pages come to an end, whatever cursor each of them has', async () => {
  const { read, seen } = await startList((_query, count) => ({
    body: { incidents: [], next_cursor: String(count) },
  }))
  await expect(all(read())).rejects.toThrow('has 100 empty pages after each other')
  expect(seen).toHaveLength(101)
})

test('a rate limit on the way is waited for, three times a page unless the caller says otherwise', async () => {
  const limited = (query: URLSearchParams, count: number): Reply =>
    count % 4 === 0 ? byOffset(237)(query) : { status: 429, headers: { 'ratelimit-reset': '0' }, body: {} }
  const patient = await startList(limited)
  expect(await all(patient.read('/incidents', { retry: undefined }))).toEqual(ids(237))
  expect(patient.seen).toHaveLength(12)
  const impatient = await startList(limited)
  await expect(all(impatient.read('/incidents', { retry: 2 }))).rejects.toMatchObject({ httpStatus: 429 })
  expect(impatient.seen).toHaveLength(3)
})

test('no page is requested before it is needed, or after the caller has stopped', async () => {
  const { read, seen } = await startList(byOffset(237))
  const list = read()
  expect(seen).toHaveLength(0)
  for await (const { id } of list) if (id === 99) break
  expect(seen).toHaveLength(1)
  expect(await list.next()).toEqual({ done: true, value: undefined })
})

describe('a signal', () => {
  test('ends the list between two items, with its reason', async () => {
    const { read } = await startList(byOffset(237))
    const controller = new AbortController()
    const reason = new Error('The browser has gone')
    const before: number[] = []
    const reading = async () => {
      for await (const { id } of read('/incidents', { signal: controller.signal })) {
        before.push(id)
        if (id === 41) controller.abort(reason)
      }
    }
    await expect(reading()).rejects.toBe(reason)
    expect(before).toEqual(ids(42))
  })

  test('ends a page that is on its way', async () => {
    const controller = new AbortController()
    const { read } = await startList((query) => {
      if (query.has('offset')) controller.abort(new Error('Gone'))
      return byOffset(237)(query)
    })
    await expect(all(read('/incidents', { signal: controller.signal }))).rejects.toThrow('Gone')
  })
})

describe('nothing leaves the API’s origin', () => {
  test.each([
    'https://evil.example/incidents',
    '//evil.example/incidents',
    'data:text/plain,x',
    '\\\\evil.example',
  ])('to %s', async (url) => {
    const { read, seen } = await startList(byOffset(1))
    await expect(all(read(url))).rejects.toMatchObject({ code: 'ERR_PAGERDUTY_FOREIGN_URL' })
    expect(seen).toEqual([])
  })

  test('whatever a response says about the next page', async () => {
    const evil = 'https://evil.example/incidents?cursor=a'
    const { read, seen } = await startList((query, count) =>
      count === 1 ? { body: { incidents: items(1), next: evil, next_cursor: evil } } : byOffset(1)(query),
    )
    await all(read())
    expect(seen[1]).toBe(`?limit=100&cursor=${evil}`)
  })
})

test.each<[string, RequestInit]>([
  ['another method', { method: 'POST' }],
  ['a body', { body: '{}' }],
])('%s is rejected before anything is sent', async (_what, init) => {
  const { read, seen } = await startList(byOffset(1))
  await expect(all(read('/analytics/raw/incidents', init))).rejects.toMatchObject({
    code: 'ERR_PAGERDUTY_NO_LIST',
    message: 'paginate() reads lists with GET and no body',
  })
  expect(seen).toEqual([])
})
