import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  APIError,
  InsufficientScopeError,
  ScopeNotGrantedError,
  UnauthorizedError,
  apiError,
} from '../../src'
import { bearerFetch } from '../../src/oauth/bearer-fetch'
import type { TokenOwner } from '../../src/oauth/rate-limits'
import { FaultServer } from '../support/fault-server'
import { margin } from '../support/margin'
import { appToken, userToken } from '../support/token-owners'

const body = (error: unknown, status: number, headers: Record<string, string> = {}) =>
  Response.json({ error }, { status, headers })
const required = (required_scopes: unknown, token_scopes: unknown = 'openid users.read', status = 403) =>
  body({ message: 'Token missing required scopes', required_scopes, token_scopes }, status)

test.each([200, 201, 202, 204, 304])('a response with status %i is not an error', async (status) => {
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

  test('names nothing that does not look like a scope: a token among them would reach the browser', async () => {
    const error = (await apiError(
      required('incidents.read pdus+_0XBPWQQ_0a1b <img eyJhbGciOi', 'openid'),
    )) as InsufficientScopeError
    expect(error.required).toEqual(['incidents.read'])
    expect(JSON.stringify(error) + JSON.stringify(error.headers)).not.toMatch(/pdus|img|eyJ/)
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
    expect(error.required).toEqual(['c', 'incidents.read'])
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
  test('401 requires a login, whatever its body says', async () => {
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
  ])('status %i is mapped to %i', async (httpStatus, status, isTransient) => {
    const error = await apiError(body({ message: 'Not Found', code: 2100, errors: 'one text' }, httpStatus))
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ httpStatus, status, isTransient, apiCode: 2100, code: 'ERR_PAGERDUTY_API' })
    expect(error?.message).toBe(
      `PagerDuty’s REST API responded with ${httpStatus}: Not Found (2100): one text`,
    )
  })

  test.each<[string, Record<string, string>, number | undefined, string]>([
    ['ratelimit-reset', { 'ratelimit-reset': '17' }, 17, '17'],
    ['Retry-After', { 'retry-after': '3', 'ratelimit-reset': '17' }, 3, '3'],
    ['an epoch', { 'ratelimit-reset': '1700000000' }, 900, '900'],
    ['nonsense', { 'ratelimit-reset': 'soon' }, undefined, '5'],
    ['nothing', {}, undefined, '5'],
  ])('a rate limit says how long to wait, by %s', async (_what, headers, retryAfter, header) => {
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
    expect(error?.message).toBe('PagerDuty’s REST API responded with 500')
    expect(error).toMatchObject({ apiCode: undefined })
  })

  test.each<[string, unknown, string]>([
    [
      'a list',
      ['Offset+limit exceeds 10000.', "Subject can't be blank"],
      ": Offset+limit exceeds 10000.; Subject can't be blank",
    ],
    [
      'more than five',
      [1, 2, 3, 4, 5, 6].map((number) => `Fault ${number}`),
      ': Fault 1; Fault 2; Fault 3; Fault 4; Fault 5',
    ],
    ['markup and nothing else', ['<>', 'A fault'], ': A fault'],
    [
      'what looks like a token',
      ['pdus+_0XBPWQQ_4f6d8a9e-8a52-4c9e-9b0e-3f1f5a4f1f0e is wrong'],
      ': … is wrong',
    ],
    ['other letters', ['User can’t be “Zürich”'], ': User can’t be “Zürich”'],
    ['a line longer than 200 characters', ['a b '.repeat(60)], `: ${'a b '.repeat(50)}…`],
    ['no strings', [7, null, { a: 1 }], ''],
    ['nothing', undefined, ''],
  ])('names what is wrong where "errors" has %s', async (_what, errors, said) => {
    const error = await apiError(body({ message: 'Invalid Input Provided', code: 2001, errors }, 400))
    expect(error?.message).toBe(
      `PagerDuty’s REST API responded with 400: Invalid Input Provided (2001)${said}`,
    )
  })

  test.each<[unknown, string]>([
    ['<b>bold</b>', ': b bold /b'],
    ['a\r\nb\u202ec', ': a b c'],
    ['x'.repeat(40), ': …'],
    [7, ''],
    [{ a: 1 }, ''],
  ])('a message %j is one line without markup and tokens', async (message, said) => {
    expect((await apiError(body({ message, code: '2001' }, 400)))?.message).toBe(
      `PagerDuty’s REST API responded with 400${said}`,
    )
  })
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
    expect((await apiError(answer))?.message).toBe('PagerDuty’s REST API responded with 500')
    expect(performance.now() - startedAt).toBeLessThan(3_000 + margin)
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
  })
})

describe('of a call that this package made', () => {
  async function errorOf(
    owner: TokenOwner,
    answer: Response,
    path = '/incidents/PT4KHLK?total=true',
    method?: string,
  ) {
    const send = bearerFetch(async () => answer, {
      apiURL: 'https://api.pagerduty.com',
      owner,
      token: () => 'a token',
      markRejected: () => undefined,
    })
    return apiError(await send(path, method === undefined ? {} : { method }))
  }
  const notFound = () => body({ message: 'Not Found', code: 2100 }, 404)

  test('names the operation, without ids, and whose token it had', async () => {
    expect((await errorOf(userToken, notFound()))?.message).toBe(
      'PagerDuty’s REST API responded with 404 to GET /incidents/{id}: Not Found (2100)',
    )
    expect((await errorOf(appToken, notFound(), '/incidents/P1/notes', 'post'))?.message).toBe(
      'PagerDuty’s REST API responded with 404 to POST /incidents/{id}/notes as the app: Not Found (2100)',
    )
    expect((await errorOf(userToken, notFound(), '/no/such/P1'))?.message).toBe(
      'PagerDuty’s REST API responded with 404: Not Found (2100)',
    )
  })

  test('names nothing where the response is a copy', async () => {
    expect((await apiError(notFound().clone()))?.message).toBe(
      'PagerDuty’s REST API responded with 404: Not Found (2100)',
    )
  })

  test('a scope that a user’s token lacks can be requested from the user, once the app has it', async () => {
    const error = await errorOf(userToken, required('incidents.read users.read'))
    expect(error).toBeInstanceOf(InsufficientScopeError)
    expect(error).toMatchObject({
      status: 403,
      message: 'GET /incidents/{id} needs a PagerDuty permission that was not granted: incidents.read',
      missing: ['incidents.read'],
      hint: expect.stringMatching(/registered with: add it there first.*step-up/) as string,
    })
    expect((await apiError(required('incidents.read')))?.message).toBe(
      'This needs a PagerDuty permission that was not granted: incidents.read',
    )
  })

  test('a scope that the app’s token lacks cannot be requested from a user', async () => {
    const error = await errorOf(
      appToken,
      required('incidents.read users.read', 'as_account-us.acme users.read'),
    )
    expect(error).toBeInstanceOf(ScopeNotGrantedError)
    expect(error).toMatchObject({
      status: 502,
      headers: {},
      message: 'GET /incidents/{id} needs a scope that the app token does not have: incidents.read',
      requested: ['incidents.read', 'users.read'],
      granted: ['as_account-us.acme', 'users.read'],
      missing: ['incidents.read'],
      hint: expect.stringMatching(/registered with: add it there first.*appScope/) as string,
    })
    expect(await errorOf(appToken, required('users.read'))).toMatchObject({ missing: ['users.read'] })
  })

  test('a 401 for a user’s token requires a login, one for the app’s token does not', async () => {
    const unauthorized = () => new Response('Unauthorized', { status: 401 })
    const ofUser = await errorOf(userToken, unauthorized())
    expect(ofUser).toBeInstanceOf(UnauthorizedError)
    expect(ofUser).toMatchObject({
      message: 'Log in with PagerDuty first',
      hint: expect.stringContaining('responded with 401 to GET /incidents/{id}') as string,
    })
    const error = await errorOf(appToken, unauthorized())
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({
      httpStatus: 401,
      status: 502,
      headers: {},
      message: 'PagerDuty’s REST API responded with 401 to GET /incidents/{id} as the app',
      hint: expect.stringContaining('No user has to log in') as string,
    })
  })

  test.each<[string, TokenOwner, string, string]>([
    [
      'a user',
      userToken,
      '/incidents',
      'GET /incidents declares the scope incidents.read. A token allows no more than its user’s role at PagerDuty.',
    ],
    [
      'the app',
      appToken,
      '/incidents',
      'GET /incidents declares the scope incidents.read. Not every operation takes an app token.',
    ],
    ['a user', userToken, '/users/me', 'A token allows no more than its user’s role at PagerDuty.'],
  ])('a 403 without a scope says what else may be missing, to %s', async (_who, owner, path, hint) => {
    expect(await errorOf(owner, body({ message: 'Access Denied', code: 2010 }, 403), path)).toMatchObject({
      status: 403,
      hint,
    })
  })
})
