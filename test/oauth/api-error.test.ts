import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { APIError, InsufficientScopeError, UnauthorizedError, apiError } from '../../src'
import { FaultServer } from '../support/fault-server'

const body = (error: unknown, status: number, headers: Record<string, string> = {}) =>
  Response.json({ error }, { status, headers })
const required = (required_scopes: unknown, token_scopes: unknown = 'openid users.read', status = 403) =>
  body({ message: 'Token missing required scopes', required_scopes, token_scopes }, status)

test.each([200, 201, 202, 204, 304])('an answer with status %i is no error', async (status) => {
  expect(await apiError(new Response(null, { status }))).toBeUndefined()
})

describe('a 403 that names the scopes it needs', () => {
  test('is what the guards throw too, and knows what is missing', async () => {
    const error = (await apiError(required('incidents.read users.read'))) as InsufficientScopeError
    expect(error).toBeInstanceOf(InsufficientScopeError)
    expect(error).toMatchObject({
      status: 403,
      code: 'insufficient_scope',
      required: ['incidents.read', 'users.read'],
      missing: ['incidents.read'],
      headers: { 'WWW-Authenticate': 'Bearer error="insufficient_scope", scope="incidents.read users.read"' },
    })
  })

  test.each([
    ['a list', ['incidents.read', 'users.read']],
    ['a text with commas', 'incidents.read, users.read'],
    ['repetitions', 'incidents.read users.read incidents.read'],
  ])('may name them as %s', async (_what, scopes) => {
    expect(await apiError(required(scopes))).toMatchObject({ missing: ['incidents.read'] })
  })

  test('misses all of them where the token seems to have them', async () => {
    expect(await apiError(required('users.read'))).toMatchObject({ missing: ['users.read'] })
    expect(await apiError(required('users.read', null))).toMatchObject({ missing: ['users.read'] })
  })

  test('puts nothing into a header that is no scope, and not too much', async () => {
    const error = (await apiError(
      required(['a"b', 'c\r\nSet-Cookie:x', 'é', 7, { a: 1 }, 'x'.repeat(101), 'incidents.read']),
    )) as InsufficientScopeError
    expect(error.required).toEqual(['c', 'Set-Cookie:x', 'incidents.read'])
    const many = Array.from({ length: 5000 }, (_, index) => `scope${index}`).join(' ')
    const { headers } = (await apiError(required(many))) as InsufficientScopeError
    expect(headers['WWW-Authenticate']?.length).toBeLessThan(1000)
  })

  test.each([
    ['of another status', required('incidents.read', '', 400)],
    ['with nothing in it', required('')],
    ['with something else in it', required({ a: 1 })],
  ])('is an ordinary error where it is one %s', async (_what, answer) => {
    expect(await apiError(answer)).toBeInstanceOf(APIError)
  })
})

describe('any other error', () => {
  test('401 asks for a login, whatever its body says', async () => {
    expect(await apiError(new Response('Unauthorized', { status: 401 }))).toBeInstanceOf(UnauthorizedError)
    expect(await apiError(required('users.read', '', 401))).toBeInstanceOf(UnauthorizedError)
  })

  test.each([
    [400, 502, false],
    [402, 502, false],
    [403, 403, false],
    [404, 404, false],
    [429, 503, true],
    [500, 503, true],
    [503, 503, true],
  ])('status %i is answered with %i', async (httpStatus, status, isTransient) => {
    const error = await apiError(body({ message: 'Not Found', code: 2100, errors: 'one text' }, httpStatus))
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ httpStatus, status, isTransient, apiCode: 2100, code: 'ERR_PAGERDUTY_API' })
    expect(error?.message).toBe(`PagerDuty’s REST API answered ${httpStatus}: Not Found`)
  })

  test.each<[string, Record<string, string>, number | undefined, string]>([
    ['ratelimit-reset', { 'ratelimit-reset': '17' }, 17, '17'],
    ['Retry-After', { 'retry-after': '3', 'ratelimit-reset': '17' }, 3, '3'],
    ['an epoch', { 'ratelimit-reset': '1700000000' }, 900, '900'],
    ['nonsense', { 'ratelimit-reset': 'soon' }, undefined, '5'],
    ['nothing', {}, undefined, '5'],
  ])('a rate limit tells how long to wait, by %s', async (_what, headers, retryAfter, header) => {
    const error = await apiError(new Response(null, { status: 429, headers }))
    expect(error).toMatchObject({ retryAfter, headers: { 'Retry-After': header } })
  })

  test.each([
    '',
    'Unauthorized',
    '<html>',
    'null',
    '[]',
    '7',
    '{"error":null}',
    '{"error":"text"}',
    '{"error":[1]}',
    '{',
  ])('a body %j is as good as none', async (text) => {
    const error = await apiError(new Response(text, { status: 500 }))
    expect(error?.message).toBe('PagerDuty’s REST API answered 500')
    expect(error).toMatchObject({ apiCode: undefined })
  })

  test.each(['<b>bold</b>', 'a\nb', 'x'.repeat(201), 7, { a: 1 }])(
    'a message %j is not repeated',
    async (message) => {
      expect((await apiError(body({ message, code: '2001' }, 400)))?.message).toBe(
        'PagerDuty’s REST API answered 400',
      )
    },
  )
})

describe('the body', () => {
  test('stays readable', async () => {
    const answer = required('incidents.read')
    await apiError(answer)
    expect(await answer.json()).toHaveProperty('error.required_scopes', 'incidents.read')
  })

  test('may have been read, or be being read', async () => {
    const read = required('incidents.read')
    await read.text()
    expect(await apiError(read)).toMatchObject({ httpStatus: 403 })
    const locked = required('incidents.read')
    locked.body?.getReader()
    expect(await apiError(locked)).toMatchObject({ httpStatus: 403 })
  })

  test('that is too long is left, at once, and stays readable all the same', async () => {
    const text = JSON.stringify({ error: { message: 'Long', padding: 'x'.repeat(200_000) } })
    const server = createServer((_req, res) => res.writeHead(500).end(text))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const startedAt = performance.now()
    expect((await apiError(answer))?.message).toBe('PagerDuty’s REST API answered 500')
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(await answer.text()).toBe(text)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  test('that does not end is not waited for', async () => {
    const server = await FaultServer.start()
    server.behave = (res) => void res.writeHead(500).write('{"error":')
    const answer = await fetch(server.url)
    expect(await apiError(answer)).toMatchObject({ httpStatus: 500 })
    await server.close()
    await expect(answer.text()).rejects.toThrow('terminated')
  }, 15_000)
})
