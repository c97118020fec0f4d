import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { Client } from '../../src/oauth/client'
import type { ClientOptions } from '../../src/oauth/client-options'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { parseRetryAfter } from '../../src/http/retry-after'
import { requestToken, revokeToken } from '../../src/oauth/token-endpoint'
import { TokenSet } from '../../src/oauth/token-set'
import { clientOf } from '../support/client'
import {
  type Behaviour,
  FaultServer,
  byteByByte,
  bytes,
  flood,
  html,
  json,
  noHTTP,
  redirect,
  resetBeforeHeaders,
  resetMidBody,
  shortOfLength,
  stallBeforeHeaders,
  stallMidBody,
  trickle,
  truncatedChunked,
  visibleText,
} from '../support/fault-server'

// An unhandled rejection fails the test that is running, so every test here is also one for those.

const deadline = 300
const margin = 1_000
/** For what has to end by itself, on however busy a machine. */
const ample = 4_000
const maxBytes = 64 * 1024
const canary = 'CANARY-pdrt+_0XBPWQQ'
const code = { grant_type: 'authorization_code', code: 'the-code', code_verifier: 'the-verifier' }
const refresh = { grant_type: 'refresh_token', refresh_token: canary }
const good = { access_token: 'pdus+_0XBPWQQ_token', token_type: 'bearer', expires_in: 86400, scope: 'openid' }

let server: FaultServer

beforeEach(async () => {
  server = await FaultServer.start()
})
afterEach(async () => {
  await server.close()
})

function client(options: Partial<ClientOptions> = {}): Client {
  return clientOf({
    clientSecret: 'CANARY-secret',
    tokenURL: `${server.url}/oauth/token`,
    revocationURL: `${server.url}/oauth/revoke`,
    ...options,
  })
}

/** What the request fails with, which has to be in time and of the right class. */
async function failure(
  behave: Behaviour,
  options: Partial<ClientOptions> = {},
  timeout = ample,
): Promise<TokenEndpointError> {
  server.behave = behave
  const begun = performance.now()
  const error: unknown = await requestToken(client(options), refresh, timeout).then(
    (response) => {
      throw new Error(`It was accepted: ${JSON.stringify(response)}`)
    },
    (reason: unknown) => reason,
  )
  expect(performance.now() - begun).toBeLessThan(timeout + margin)
  if (!(error instanceof TokenEndpointError)) throw error
  const text = visibleText(error)
  expect(text).not.toContain('CANARY')
  return error
}

async function success(behave: Behaviour) {
  server.behave = behave
  return requestToken(client(), code, 5_000)
}

describe('what is sent', () => {
  it('is one form with the grant and the credentials of a confidential client in the body', async () => {
    await success(json(good))
    expect(server.requests).toHaveLength(1)
    const { method, url, headers, form } = server.last
    expect([method, url]).toEqual(['POST', '/oauth/token'])
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect(headers.accept).toBe('application/json')
    expect(headers.authorization).toBeUndefined()
    expect(Object.fromEntries(form)).toEqual({
      ...code,
      client_id: 'the-client',
      client_secret: 'CANARY-secret',
    })
    expect([...form.keys()]).toHaveLength(5)
  })

  it('has no client_secret at all for a public client', async () => {
    server.behave = json(good)
    const options = { appType: 'classic', clientSecret: undefined, scope: 'read' } as const
    await requestToken(client(options), code, 5_000)
    expect(server.last.form.has('client_secret')).toBe(false)
    expect(server.last.body).not.toContain('secret')
    expect(server.last.form.get('client_id')).toBe('the-client')
    expect(server.last.headers.authorization).toBeUndefined()
  })

  it('keeps every character of a value through the form encoding', async () => {
    server.behave = json(good)
    const value = 'pdrt+_0/=& %2B\u00e9\u{1f600}'
    await requestToken(client({ clientSecret: 'a+b &=%' }), { ...refresh, refresh_token: value }, 5_000)
    expect(server.last.body).toContain('refresh_token=pdrt%2B_0%2F%3D%26+%252B%C3%A9%F0%9F%98%80')
    expect(server.last.body).toContain('client_secret=a%2Bb+%26%3D%25')
    expect(server.last.form.get('refresh_token')).toBe(value)
  })

  it('takes extra headers, but none that would change what the body is', async () => {
    server.behave = json(good)
    const extra = { 'X-Request-Id': 'abc', 'Content-Type': 'text/plain', Accept: 'text/html' }
    await requestToken(client(), code, 5_000, extra)
    const { headers } = server.last
    expect(headers['x-request-id']).toBe('abc')
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect(headers.accept).toBe('application/json')
  })

  it('does not let a parameter of the grant take the place of the client', async () => {
    server.behave = json(good)
    await requestToken(client(), { ...code, client_id: 'another', client_secret: 'guess' }, 5_000)
    expect(server.last.form.getAll('client_id')).toEqual(['the-client'])
    expect(server.last.form.getAll('client_secret')).toEqual(['CANARY-secret'])
  })
})

describe('a connection that fails', () => {
  test.each([
    ['is silent from the start', stallBeforeHeaders],
    ['is silent in the middle of the body', stallMidBody],
    ['never ends but sends a byte now and then', trickle],
  ])('%s: is given up at the deadline, and hung up', async (_name, behave) => {
    const hungUp = server.nextHangUp()
    const error = await failure(behave, {}, deadline)
    expect(error).toMatchObject({
      code: 'ERR_PAGERDUTY_TOKEN_TIMEOUT',
      status: 503,
      isTransient: true,
      httpStatus: undefined,
      error: undefined,
    })
    await hungUp
  })

  test.each([
    ['reset before the headers', resetBeforeHeaders],
    ['reset in the middle of the body', resetMidBody],
    ['ended before the last chunk', truncatedChunked],
    ['ended short of its Content-Length', shortOfLength],
    ['not HTTP', noHTTP],
  ])('%s: fails as unreachable, long before the deadline', async (_name, behave) => {
    const error = await failure(behave)
    expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_UNREACHABLE', status: 503, isTransient: true })
    expect(error.headers).toEqual({ 'Retry-After': '5' })
  })

  test('to a closed port fails as unreachable', async () => {
    const tokenURL = `${server.url}/oauth/token`
    await server.close()
    expect(await failure(json(good), { tokenURL })).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_UNREACHABLE' })
  })

  test('names the system error underneath, and nothing else of it', async () => {
    const cause = Object.assign(new Error(`read ECONNRESET ${canary}`), { code: 'ECONNRESET' })
    const failing = () => Promise.reject(new TypeError('fetch failed', { cause }))
    expect((await failure(json(good), { fetch: failing })).message).toMatch(/\(ECONNRESET\)$/)
    const odd = Object.assign(new Error('odd'), { code: canary })
    expect((await failure(json(good), { fetch: () => Promise.reject(odd) })).message).toMatch(/broke off$/)
  })
})

describe('a response of the wrong size', () => {
  const outsize = { code: 'ERR_PAGERDUTY_TOKEN_RESPONSE', status: 503, isTransient: true }

  it('is hung up on when it floods, without being kept', async () => {
    const { behave, sent } = flood(200 * 1024 * 1024)
    const hungUp = server.nextHangUp()
    const before = process.memoryUsage().rss
    expect(await failure(behave)).toMatchObject(outsize)
    await hungUp
    // What lies in socket buffers is sent and never read.
    expect(sent()).toBeLessThan(16 * 1024 * 1024)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })

  it('is measured after inflation', async () => {
    const bomb = gzipSync(Buffer.alloc(30 * 1024 * 1024, ' '))
    expect(bomb.byteLength).toBeLessThan(maxBytes)
    const before = process.memoryUsage().rss
    expect(await failure(bytes(bomb, 200, { 'Content-Encoding': 'gzip' }))).toMatchObject(outsize)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })

  it('may be compressed', async () => {
    const packed = gzipSync(JSON.stringify(good))
    const response = await success(bytes(packed, 200, { 'Content-Encoding': 'gzip' }))
    expect(response.access_token).toBe(good.access_token)
  })

  it('may have 64 KB and not a byte more', async () => {
    const padded = JSON.stringify(good).padEnd(maxBytes)
    expect((await success(json(padded))).access_token).toBe(good.access_token)
    expect(await failure(json(`${padded} `))).toMatchObject(outsize)
  })
})

describe('a redirect', () => {
  test.each([301, 302, 303, 307, 308])('%i is not followed', async (status) => {
    const other = await FaultServer.start()
    other.behave = json(good)
    const error = await failure(redirect(status, `${other.url}/oauth/token?${canary}`))
    expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_RESPONSE', status: 503, isTransient: true })
    expect(error.message).toContain('redirect')
    expect(server.requests).toHaveLength(1)
    expect(other.requests).toHaveLength(0)
    await other.close()
  })

  test('to the token endpoint itself is not followed either', async () => {
    await failure(redirect(307, '/oauth/token'))
    expect(server.requests).toHaveLength(1)
  })
})

describe('a 200 that is no token response', () => {
  const text = JSON.stringify(good)

  test.each<[string, Behaviour]>([
    ['HTML', html()],
    ['JSON called HTML', html(200, text)],
    ['JSON without a type', bytes(Buffer.from(text), 200, { 'Content-Type': '' })],
    [
      'a type that only begins like JSON',
      bytes(Buffer.from(text), 200, { 'Content-Type': 'application/jsonp' }),
    ],
    ...[
      'text/html; application/json',
      'x-application/json',
      'application/json+x',
      'application/+json',
      'application/a/b+json',
      'application/x-json',
      'text/json',
      'applications/json',
    ].map((type): [string, Behaviour] => [`JSON called ${type}`, json(text, 200, { 'Content-Type': type })]),
    ['nothing', json('')],
    ['null', json('null')],
    ['an array', json([good])],
    ['a string', json('"pdus"')],
    ['a number', json('1')],
    ['half an object', json(text.slice(0, -1))],
    ['two objects', json(text + text)],
    ['an object without members', json({})],
    ['members only in __proto__', json(`{"__proto__":${text}}`)],
    ['a token_type only in __proto__', json('{"access_token":"a","__proto__":{"token_type":"bearer"}}')],
    ['nesting without end', json('['.repeat(30_000))],
  ])('%s is rejected', async (_name, behave) => {
    expect(await failure(behave)).toMatchObject({
      code: 'ERR_PAGERDUTY_TOKEN_RESPONSE',
      status: 503,
      isTransient: true,
      error: undefined,
    })
  })

  test.each([
    ['UTF-16', Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 without a mark', Buffer.from(text.replace('openid', '\u00e9'), 'utf16le')],
    ['Latin-1', Buffer.from(JSON.stringify({ ...good, scope: 'caf\u00e9' }), 'latin1')],
    ['UTF-8 cut in a character', Buffer.from(`${text}\u00e9`).subarray(0, -1)],
    ['an encoded surrogate', Buffer.concat([Buffer.from(text), Buffer.from([0xed, 0xa0, 0x80])])],
  ])('%s is rejected', async (_name, body) => {
    expect(await failure(bytes(body))).toMatchObject({ status: 503, isTransient: true })
  })

  test.each(['null', '[]', '"pdus"', '1', 'true', '{', ''])('%j is called what it is', async (body) => {
    expect((await failure(json(body))).message).toContain('something other than a JSON object')
  })

  test.each<[number, Behaviour]>([
    [201, json(good, 201)],
    [202, json(good, 202)],
    [204, (res) => void res.writeHead(204).end()],
    [206, json(good, 206)],
  ])('%i is not 200, and is rejected', async (httpStatus, behave) => {
    expect(await failure(behave)).toMatchObject({
      code: 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE',
      httpStatus,
      status: 503,
      isTransient: true,
    })
  })

  test('an error in it is that error', async () => {
    expect(await failure(json({ ...good, error: 'invalid_grant' }))).toMatchObject({
      code: 'invalid_grant',
      error: 'invalid_grant',
      status: 400,
      httpStatus: 200,
    })
  })

  test('members of the prototype chain reach no object', async () => {
    const body = { ...good, constructor: { prototype: { polluted: 1 } } }
    const polluting = JSON.stringify(body).replace('{', '{"__proto__":{"polluted":1,"refresh_token":"evil"},')
    const response = await success(json(polluting))
    expect(response).toEqual({
      ...good,
      token_type: undefined,
      refresh_token: undefined,
      id_token: undefined,
      age: expect.any(Number) as unknown,
    })
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.keys(response).sort()).toEqual([
      'access_token',
      'age',
      'expires_in',
      'id_token',
      'refresh_token',
      'scope',
    ])
  })
})

describe('a 200 that is one', () => {
  const whole = { ...good, refresh_token: 'pdrt+_1', id_token: 'a.b.c' }

  test.each<[string, Behaviour]>([
    ['plain', json(whole)],
    ['with a charset', json(whole, 200, { 'Content-Type': 'Application/JSON; charset=utf-8' })],
    ['of a +json type', json(whole, 200, { 'Content-Type': 'application/vnd.pd-token_1+json' })],
    [
      'with a space before its charset',
      json(whole, 200, { 'Content-Type': 'application/json ;charset=utf-8' }),
    ],
    ['with two of them', json(whole, 200, { 'Content-Type': 'application/json  ; charset=utf-8' })],
    ['after a byte order mark', json(`\ufeff${JSON.stringify(whole)}`)],
    ['between white space', json(`\r\n\t ${JSON.stringify(whole)}\n`)],
    ['with members nobody knows', json({ ...whole, aud: ['x'], client_info: null, error: null })],
    [
      'with a member twice, of which the last counts',
      json(`{"access_token":"x",${JSON.stringify(whole).slice(1)}`),
    ],
    ['byte by byte', byteByByte(whole)],
  ])('%s is read', async (_name, behave) => {
    expect(await success(behave)).toEqual({
      access_token: good.access_token,
      expires_in: 86400,
      refresh_token: 'pdrt+_1',
      scope: 'openid',
      id_token: 'a.b.c',
      age: expect.any(Number) as unknown,
    })
  })

  test('that was long under way is as old as that: its life does not count from its arrival', async () => {
    const response = await success(async (res, request) => {
      await pause(200)
      await json(good)(res, request)
    })
    expect(response.age).toBeGreaterThanOrEqual(199)
    const { obtainedAt, expiresAt } = TokenSet.from(response, { scope: [] })
    expect(expiresAt - obtainedAt).toBe(86_400_000 - Math.ceil(response.age ?? 0))
  })

  test('keeps characters whole whose bytes come in different chunks', async () => {
    const scope = '\u00e9 \u20ac \u{1f600}'
    expect((await success(byteByByte({ ...good, scope }))).scope).toBe(scope)
    const chunks = [...Buffer.from(JSON.stringify({ ...good, scope }))].map((byte) => Uint8Array.of(byte))
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk)
        controller.close()
      },
    })
    const replaced = client({
      fetch: async () => new Response(body, { headers: { 'Content-Type': 'application/json' } }),
    })
    expect((await requestToken(replaced, code, 5_000)).scope).toBe(scope)
  })

  test.each<[string, unknown, number]>([
    ['absent', undefined, 300],
    ['null', null, 300],
    ['0', 0, 0],
    ['negative', -1, 0],
    ['a number', 3600, 3600],
    ['a fraction', 0.5, 0.5],
    ['a numeric text', '3600', 3600],
    ['huge', 1e308, 34_560_000],
    ['a text of 400 digits', '9'.repeat(400), 34_560_000],
  ])('has an expires_in that is %s', async (_name, expires_in, seconds) => {
    expect((await success(json({ ...good, expires_in }))).expires_in).toBe(seconds)
  })

  test('has an expires_in beyond what a number can hold', async () => {
    const text = JSON.stringify(good).replace('86400', '1e400')
    expect((await success(json(text))).expires_in).toBe(34_560_000)
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['no refresh_token', { refresh_token: undefined }, { refresh_token: undefined }],
    ['a null refresh_token', { refresh_token: null }, { refresh_token: undefined }],
    ['an empty refresh_token', { refresh_token: '' }, { refresh_token: undefined }],
    ['no scope', { scope: undefined }, { scope: undefined }],
    ['an empty scope', { scope: '' }, { scope: '' }],
    ['a null id_token', { id_token: null }, { id_token: undefined }],
    ['a token_type in capitals', { token_type: 'BeArEr' }, { access_token: good.access_token }],
    [
      'an access_token of 8192 characters',
      { access_token: 'a'.repeat(8192) },
      { access_token: 'a'.repeat(8192) },
    ],
    ['an access_token of odd characters', { access_token: '!"\\~' }, { access_token: '!"\\~' }],
  ])('may have %s', async (_name, change, expected) => {
    expect(await success(json({ ...whole, ...change }))).toMatchObject(expected)
  })
})

describe('a member of the wrong kind', () => {
  test.each<[string, Record<string, unknown>]>([
    ['access_token', { access_token: undefined }],
    ['access_token', { access_token: null }],
    ['access_token', { access_token: '' }],
    ['access_token', { access_token: 7 }],
    ['access_token', { access_token: true }],
    ['access_token', { access_token: { token: canary } }],
    ['access_token', { access_token: [canary] }],
    ['access_token', { access_token: `${canary}\n` }],
    ['access_token', { access_token: `${canary}\r\nX-Injected: 1` }],
    ['access_token', { access_token: `${canary} b` }],
    ['access_token', { access_token: `${canary}\u00e9` }],
    ['access_token', { access_token: `${canary}\0` }],
    ['access_token', { access_token: 'a'.repeat(8193) }],
    ['token_type', { token_type: undefined }],
    ['token_type', { token_type: null }],
    ['token_type', { token_type: 'mac' }],
    ['token_type', { token_type: 'DPoP' }],
    ['token_type', { token_type: 'bearer ' }],
    ['token_type', { token_type: ['bearer'] }],
    ['token_type', { token_type: canary }],
    ['expires_in', { expires_in: 'abc' }],
    ['expires_in', { expires_in: canary }],
    ['expires_in', { expires_in: '' }],
    ['expires_in', { expires_in: 'NaN' }],
    ['expires_in', { expires_in: 'Infinity' }],
    ['expires_in', { expires_in: '-1' }],
    ['expires_in', { expires_in: '0x10' }],
    ['expires_in', { expires_in: '1e3' }],
    ['expires_in', { expires_in: ' 60' }],
    ['expires_in', { expires_in: '60\n' }],
    ['expires_in', { expires_in: {} }],
    ['expires_in', { expires_in: [60] }],
    ['expires_in', { expires_in: true }],
    ['refresh_token', { refresh_token: 5 }],
    ['refresh_token', { refresh_token: { token: canary } }],
    ['refresh_token', { refresh_token: canary.repeat(1000) }],
    ['scope', { scope: ['openid'] }],
    ['scope', { scope: 5 }],
    ['scope', { scope: {} }],
    ['id_token', { id_token: 5 }],
    ['id_token', { id_token: {} }],
    ['id_token', { id_token: canary.repeat(1000) }],
  ])('%s: rejects %j', async (member, change) => {
    const error = await failure(json({ ...good, ...change }))
    expect(error).toMatchObject({ code: 'ERR_PAGERDUTY_TOKEN_RESPONSE', status: 503, isTransient: true })
    expect(error.message).toContain(member)
  })
})

describe('an error response', () => {
  test.each([
    ['invalid_grant', 400, 400, false],
    ['invalid_request', 400, 503, false],
    ['invalid_client', 401, 503, false],
    ['unauthorized_client', 400, 503, false],
    ['unsupported_grant_type', 400, 503, false],
    ['invalid_scope', 400, 503, false],
    ['temporarily_unavailable', 503, 503, true],
    ['server_error', 500, 503, true],
    ['invalid_request', 429, 503, true],
    ['invalid_request', 408, 503, true],
  ])('%s with status %i is mapped to %i, transient: %s', async (error, httpStatus, status, isTransient) => {
    const fault = await failure(json({ error, error_description: `No: ${canary}` }, httpStatus))
    expect(fault).toMatchObject({ code: error, error, httpStatus, status, isTransient })
    expect(fault.headers).toEqual(status === 503 ? { 'Retry-After': '5' } : {})
  })

  test.each(['invalid_grant', 'invalid_client', 'unauthorized_client', 'invalid_scope'])(
    '%s says what can be done',
    async (error) => {
      expect((await failure(json({ error }, 400))).hint).toMatch(/\w+ .*\.$/)
    },
  )

  it('is an invalid scope when that is how PagerDuty describes an invalid request', async () => {
    const fault = await failure(json({ error: 'invalid_request', error_description: 'Invalid scope' }, 400))
    expect(fault).toMatchObject({ code: 'invalid_scope', error: 'invalid_request', isTransient: false })
    expect(fault.hint).toContain('scopes')
    const other = await failure(json({ error: 'invalid_request', error_description: ['x', null] }, 400))
    expect(other.code).toBe('invalid_request')
    expect(fault.message).toContain('responded with an error: invalid_scope')
    const grant = await failure(json({ error: 'invalid_grant', error_description: 'Invalid scope' }, 400))
    expect(grant).toMatchObject({ code: 'invalid_grant', status: 400, isTransient: false })
    expect(grant.message).toContain('responded with an error: invalid_grant')
  })

  test.each<[string, unknown]>([
    ['a number', 5],
    ['an object', { message: canary, code: 2020 }],
    ['a list', ['invalid_grant']],
    ['empty', ''],
    ['a token', canary],
    ['with a line break', 'invalid_grant\n'],
    ['in capitals', 'INVALID_GRANT'],
    ['a long word', 'a'.repeat(41)],
  ])('whose error is %s has no error code and may pass by itself', async (_name, error) => {
    expect(await failure(json({ error }, 400))).toMatchObject({
      code: 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE',
      error: undefined,
      httpStatus: 400,
      status: 503,
      isTransient: true,
    })
  })

  test.each([400, 401, 403, 404, 500, 502, 504])('of %i in HTML may pass by itself', async (httpStatus) => {
    expect(await failure(html(httpStatus, `<h1>${canary}</h1>`))).toMatchObject({
      message: expect.stringContaining(`responded with an error: HTTP status ${httpStatus}`),
      code: 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE',
      httpStatus,
      status: 503,
      isTransient: true,
    })
  })

  test.each<[string, Record<string, string>, number | undefined]>([
    ['seconds', { 'Retry-After': '42' }, 42],
    ['zero', { 'Retry-After': '0' }, 0],
    ['far too long', { 'Retry-After': '86400' }, 900],
    ['beyond numbers', { 'Retry-After': '9'.repeat(400) }, 900],
    ['a fraction', { 'Retry-After': '1.2' }, 2],
    ['nonsense', { 'Retry-After': canary }, undefined],
    ["PagerDuty's own header", { 'ratelimit-reset': '17' }, 17],
    ['both', { 'Retry-After': '3', 'ratelimit-reset': '17' }, 3],
    ['one of both readable', { 'Retry-After': 'soon', 'ratelimit-reset': '17' }, 17],
    ['none', {}, undefined],
  ])('of 429 says how long to wait: %s', async (_name, headers, retryAfter) => {
    const fault = await failure(json({ error: { code: 2020 } }, 429, headers))
    expect(fault).toMatchObject({ httpStatus: 429, status: 503, isTransient: true, retryAfter })
    expect(fault.headers).toEqual({ 'Retry-After': String(retryAfter ?? 5) })
  })

  it('says how long to wait as a date', () => {
    const now = jest.spyOn(Date, 'now').mockReturnValue(Date.UTC(2026, 0, 1, 12, 0, 0))
    const wait = (value: string) => parseRetryAfter(new Headers({ 'Retry-After': value }))
    expect(wait('Thu, 01 Jan 2026 12:01:30 GMT')).toBe(90)
    expect(wait('Thu, 01 Jan 2026 11:00:00 GMT')).toBe(0)
    expect(wait('Fri, 01 Jan 2027 12:00:00 GMT')).toBe(900)
    expect(wait('Thu, 32 Foo 2026 GMT')).toBeUndefined()
    // All of these are some time to Date.parse().
    for (const value of [
      'Thu, 01 Jan 2026 12:01:30',
      'Thu, 01 Jan 2026 12:01:30 GMT+0100',
      'Thu 01 Jan 2026 12:01:30 GMT',
      'thu, 01 Jan 2026 12:01:30 GMT',
      'after Thu, 01 Jan 2026 12:01:30 GMT',
      '2026-01-01T12:01:30Z',
    ])
      expect([value, wait(value)]).toEqual([value, undefined])
    now.mockRestore()
  })

  it('says it in nothing but decimal digits', () => {
    const wait = (value: string) => parseRetryAfter(new Headers({ 'Retry-After': value }))
    expect(['1.25', '12.75', '00'].map(wait)).toEqual([2, 13, 0])
    // All of these are some number to Number().
    for (const value of ['-5', '+5', '.5', '5.', '1e2', '0x10', '0b11', 'Infinity', ''])
      expect([value, wait(value)]).toEqual([value, undefined])
  })
})

describe('what an error shows', () => {
  const echo = {
    error: 'invalid_request',
    error_description: `Invalid scope ${canary}`,
    refresh_token: canary,
  }

  test.each<[string, Behaviour]>([
    ['an error body that repeats the refresh token', json(echo, 400)],
    [
      'headers that repeat it',
      json(echo, 401, { 'WWW-Authenticate': `Bearer error="${canary}"`, 'Retry-After': canary }),
    ],
    ['an error code that is the refresh token', json({ error: canary }, 400)],
    ['a page that repeats it', html(400, canary)],
    ['a token response of the wrong type', json({ ...good, access_token: canary, token_type: canary })],
    ['JSON that breaks off behind it', json(`{"access_token":"${canary}"`)],
    [
      'a connection that breaks off behind it',
      (res) => void res.write(canary, () => res.socket?.resetAndDestroy()),
    ],
    ['a redirect that carries it', redirect(302, `http://127.0.0.1:1/?${canary}`)],
    ['a stall behind it', (res) => void res.writeHead(200).write(canary)],
    ['too much of it', json(canary.repeat(10_000))],
    ['bad UTF-8 behind it', bytes(Buffer.from([...Buffer.from(canary), 0xff]))],
  ])('is neither request nor response: %s', async (_name, behave) => {
    // failure() looks through the whole error.
    const error = await failure(behave, {}, deadline)
    expect(error.cause).toBeUndefined()
    expect(JSON.parse(JSON.stringify(error))).toEqual(error.toJSON())
    expect(server.last.body).toContain('CANARY')
  })

  it('is neither when a replaced fetch fails with both in its hands', async () => {
    const failing = (url: unknown, init: unknown) =>
      Promise.reject(
        Object.assign(new Error(`${String(url)} ${canary}`, { cause: init }), { init, code: canary }),
      )
    const error = await failure(json(good), { fetch: failing })
    expect(error.cause).toBeUndefined()
  })
})

describe('a replaced fetch', () => {
  it('that never settles and ignores the signal is left at the deadline', async () => {
    const error = await failure(json(good), { fetch: () => new Promise<never>(() => {}) }, deadline)
    expect(error.code).toBe('ERR_PAGERDUTY_TOKEN_TIMEOUT')
  })

  it('whose body never ends and ignores the signal is left at the deadline', async () => {
    const endless = async () => new Response(new ReadableStream({ pull: () => new Promise<never>(() => {}) }))
    const error = await failure(json(good), { fetch: endless }, deadline)
    expect(error.code).toBe('ERR_PAGERDUTY_TOKEN_TIMEOUT')
  })

  it('whose body cannot be cancelled is left at the deadline', async () => {
    const stubborn = async () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(maxBytes)),
          cancel: () => new Promise<never>(() => {}),
        }),
      )
    const error = await failure(json(good), { fetch: stubborn }, deadline)
    expect(error.isTransient).toBe(true)
  })

  it('that fails long after the deadline has no effect', async () => {
    let fail: (reason: Error) => void = () => {}
    const late = new Promise<never>((_, reject) => (fail = reject))
    const error = await failure(json(good), { fetch: () => late }, deadline)
    expect(error.code).toBe('ERR_PAGERDUTY_TOKEN_TIMEOUT')
    fail(new Error('late'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  test.each<[string, typeof fetch]>([
    [
      'throws at once',
      () => {
        throw new Error('at once')
      },
    ],
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors
    ['rejects with nothing', () => Promise.reject(undefined)],
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors
    ['rejects with a text', () => Promise.reject(canary)],
    ['resolves with nothing', async () => undefined as unknown as Response],
  ])('that %s fails as unreachable', async (_name, replaced) => {
    const error = await failure(json(good), { fetch: replaced })
    expect(error.code).toBe('ERR_PAGERDUTY_TOKEN_UNREACHABLE')
  })

  it('that follows redirects by itself cannot bring a redirect through', async () => {
    const opaque = Object.defineProperty(new Response(null, { status: 200 }), 'type', {
      value: 'opaqueredirect',
    })
    expect((await failure(json(good), { fetch: async () => opaque })).message).toContain('redirect')
  })

  it('is asked not to follow redirects and given a signal', async () => {
    const inits: (RequestInit | undefined)[] = []
    const recording: typeof fetch = async (_url, init) => {
      inits.push(init)
      return Response.json(good)
    }
    await requestToken(client({ fetch: recording }), code, 5_000)
    expect(inits).toEqual([expect.objectContaining({ method: 'POST', redirect: 'manual' })])
    expect(inits[0]?.signal?.aborted).toBe(false)
  })
})

describe('many requests at once', () => {
  it('each end by themselves, whatever befalls the others', async () => {
    const faults = [stallBeforeHeaders, resetMidBody, html(502), json(good), truncatedChunked, json('null')]
    server.behave = (res, request) => faults[Number(request.form.get('n')) % faults.length]?.(res, request)
    const one = client()
    const requests = Array.from({ length: 60 }, (_, n) => requestToken(one, { ...code, n: String(n) }, 2_500))
    const outcomes = (await Promise.allSettled(requests)).map((outcome) =>
      outcome.status === 'fulfilled'
        ? outcome.value.access_token
        : (outcome.reason as TokenEndpointError).code,
    )
    const expected = [
      'ERR_PAGERDUTY_TOKEN_TIMEOUT',
      'ERR_PAGERDUTY_TOKEN_UNREACHABLE',
      'ERR_PAGERDUTY_TOKEN_UNAVAILABLE',
      good.access_token,
      'ERR_PAGERDUTY_TOKEN_UNREACHABLE',
      'ERR_PAGERDUTY_TOKEN_RESPONSE',
    ]
    expect(outcomes).toEqual(Array.from({ length: 60 }, (_, n) => expected[n % expected.length]))
  })
})

describe('revocation', () => {
  const revoke = (behave: Behaviour) => {
    server.behave = behave
    return revokeToken(client(), canary, behave === stallBeforeHeaders ? deadline : ample)
  }

  it('sends the token with the credentials of the client', async () => {
    await revoke((res) => void res.writeHead(200).end())
    expect(server.last.url).toBe('/oauth/revoke')
    expect(Object.fromEntries(server.last.form)).toEqual({
      token: canary,
      client_id: 'the-client',
      client_secret: 'CANARY-secret',
    })
  })

  test.each<[string, Behaviour, string]>([
    ['an error response', json({ error: 'unsupported_token_type' }, 400), 'unsupported_token_type'],
    ['a page', html(404, canary), 'ERR_PAGERDUTY_TOKEN_UNAVAILABLE'],
    ['a redirect', redirect(302, '/'), 'ERR_PAGERDUTY_TOKEN_RESPONSE'],
    ['silence', stallBeforeHeaders, 'ERR_PAGERDUTY_TOKEN_TIMEOUT'],
  ])('fails in time by %s', async (_name, behave, expected) => {
    const error: unknown = await revoke(behave).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TokenEndpointError)
    expect(error).toMatchObject({ code: expected })
    expect(visibleText(error)).not.toContain('CANARY')
  })
})

describe('odd names and headers', () => {
  for (const error of ['constructor', '__proto__']) {
    test(`an error called ${error} has no hint`, async () => {
      expect((await failure(json({ error }, 400))).hint).toBeUndefined()
    })
  }

  test('an extra header in lower case does not change what the body is', async () => {
    server.behave = json(good)
    await requestToken(client(), code, 5_000, { 'content-type': 'text/plain' })
    expect(server.last.headers['content-type']).toBe('application/x-www-form-urlencoded')
  })

  // The error of fetch comes from another realm than Jest's, where instanceof says no.
  test('a failed connection is reported with its system error in Jest too', async () => {
    const tokenURL = `${server.url}/oauth/token`
    await server.close()
    expect((await failure(json(good), { tokenURL })).message).toContain('ECONNREFUSED')
  })
})
