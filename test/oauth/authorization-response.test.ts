import {
  type AuthorizationResponse,
  readAuthorizationResponse,
  refusedLogin,
} from '../../src/oauth/authorization-response'
import { AuthorizationResponseError } from '../../src/errors/pagerduty-errors'
import { clientOf } from '../support/client'
import { visibleText } from '../support/fault-server'

const path = '/auth/pagerduty/callback'
const issuer = 'https://app.pagerduty.com/global/oauth/anonymous'
const callbackURL = `https://app.example${path}`
const client = clientOf({ callbackURL })

const read = (query: string, at = path) => readAuthorizationResponse(client, `${at}?${query}`)

/** The response, or the error that rejects it; any other error is rethrown. */
function attempt(url: string): AuthorizationResponse | AuthorizationResponseError | undefined {
  try {
    return readAuthorizationResponse(client, url)
  } catch (error) {
    if (error instanceof AuthorizationResponseError) return error
    throw error
  }
}

function failure(query: string): AuthorizationResponseError {
  const response = attempt(`${path}?${query}`)
  if (response instanceof AuthorizationResponseError) return response
  throw new Error(`It was accepted: ${JSON.stringify(response)}`)
}

const malformed = { code: 'ERR_PAGERDUTY_CALLBACK_MALFORMED', status: 400, isTransient: false }

describe('a good authorization response', () => {
  it('has a code and the state', () => {
    expect(read('code=the-code&state=the-state')).toEqual({
      code: 'the-code',
      state: 'the-state',
      error: undefined,
    })
  })

  it('or an error and the state', () => {
    expect(read('error=access_denied&error_description=No&state=the-state')).toEqual({
      code: undefined,
      state: 'the-state',
      error: 'access_denied',
    })
  })

  it('may have unknown parameters, any number of times', () => {
    const query =
      'code=a&state=b&scope=x&scope=y&session_state=1&codes=2&state_=3&xcode=4&Code=5&__proto__=6&[code]=7'
    expect(read(query)).toEqual({ code: 'a', state: 'b', error: undefined })
  })

  it('is decoded as a form', () => {
    expect(read('code=a%2Bb+c%20d%26&state=%C3%A9')).toMatchObject({ code: 'a+b c d&', state: '\u00e9' })
  })

  it('may have values of 2048 characters', () => {
    const code = 'c'.repeat(2048)
    expect(read(`code=${code}&state=s`)).toMatchObject({ code })
  })

  test.each(['', '/'])('may be requested with %j before the path', (slashes) => {
    expect(read('code=a&state=b', slashes + path)).toMatchObject({ code: 'a' })
  })
})

describe('a request that is no authorization response', () => {
  test.each([
    '/auth/pagerduty',
    '/auth/pagerduty?state=a&iss=b',
    '/auth/pagerduty?returnTo=/callback?code=a',
    '/auth/pagerduty/callback/',
    '/AUTH/pagerduty/callback',
    '/',
    '',
    '*',
    '?',
    '/auth/pagerduty#code=a',
  ])('%j is none', (url) => {
    expect(readAuthorizationResponse(client, url)).toBeUndefined()
  })

  it('is one anywhere if it brings a code or an error', () => {
    expect(read('code=a&state=b', '/login')).toMatchObject({ code: 'a' })
    expect(read('error=access_denied&state=b', '/login')).toMatchObject({ error: 'access_denied' })
  })
})

describe('a parameter that is not a single string', () => {
  test.each([
    'code=a&code=b&state=s',
    'code=a&code=a&state=s',
    'code=a&state=s&state=t',
    'error=access_denied&error=access_denied&state=s',
    `code=a&state=s&iss=${issuer}&iss=${issuer}`,
    'code=a&code=&state=s',
    'code[]=a&state=s',
    'code[x]=a&state=s&error=x',
    'code=a&code[x]=b&state=s',
    'code=a&state[]=s',
    'code=a&state[__proto__]=s',
    'code=a&state=s&state[0]=t',
    'code=a&state.x=s',
    'code=a&state=s&iss[]=x',
    'code%5B%5D=a&state=s',
    'code%5Bx%5D=a&state=s',
    'code=a&state=s&error[]=x',
  ])('%s is rejected', (query) => {
    expect(failure(query)).toMatchObject(malformed)
  })

  test('the hint names the parameter, and the message says what the visitor can do', () => {
    expect(failure('code=a&state=s&state=t')).toMatchObject({
      message: 'This login cannot be finished; log in again',
      hint: 'The callback has "state" more than once.',
    })
    expect(failure(`code=a&state=${'x'.repeat(3_000)}`)).toMatchObject({
      hint: expect.stringContaining('a "state" that is too long') as string,
    })
  })
})

describe('an impossible value', () => {
  test.each<[string, string]>([
    ['NUL', '%00'],
    ['CRLF', '%0d%0aSet-Cookie:%20a=b'],
    ['a line feed', '%0A'],
    ['a tab', '%09'],
    ['DEL', '%7f'],
    ['a lone high surrogate', '%ed%a0%80'],
    ['a lone low surrogate', '%ed%bf%bf'],
    ['a surrogate pair in CESU-8', '%ed%a0%bd%ed%b8%80'],
    ['invalid UTF-8', '%ff'],
    ['half a character', '%e2%82'],
    ['an overlong slash', '%c0%af'],
    ['a replacement character', '%ef%bf%bd'],
    ['a raw lone surrogate', '\ud800'],
    ['3 KB', 'x'.repeat(3 * 1024)],
    ['2049 characters', 'x'.repeat(2049)],
    ['1 MB', 'x'.repeat(1024 * 1024)],
  ])('%s is rejected in every parameter', (_name, value) => {
    for (const query of [
      `code=${value}&state=s`,
      `code=a&state=${value}`,
      `error=${value}&state=s`,
      `code=a&state=s&iss=${value}`,
    ]) {
      const error = failure(query)
      expect(error).toMatchObject(malformed)
      expect(visibleText(error)).not.toContain('Set-Cookie')
      expect(visibleText(error)).not.toContain('xxxx')
    }
  })

  it('does not matter in a parameter that is not read', () => {
    expect(read(`code=a&state=s&other=%00%ff${'x'.repeat(5000)}`)).toMatchObject({ code: 'a' })
  })
})

describe('what belongs together', () => {
  test.each([
    ['both a code and an error', 'code=a&error=access_denied&state=s'],
    ['neither', 'state=s'],
    ['nothing at all', ''],
    ['an empty code', 'code=&state=s'],
    ['an empty error', 'error=&state=s'],
    ['both empty', 'code=&error=&state=s'],
  ])('%s: rejected', (_name, query) => {
    expect(failure(query)).toMatchObject(malformed)
  })

  test.each([
    'code=a',
    'code=a&state=',
    'error=access_denied',
    'error=access_denied&state=',
    'code=a&State=s',
  ])('%s comes without a state and is rejected as not begun here', (query) => {
    expect(failure(query)).toMatchObject({
      code: 'ERR_PAGERDUTY_STATE_MISSING',
      status: 400,
      isTransient: false,
    })
  })

  test.each(['undefined', 'null', '__proto__', '0', ' '])(
    'the state %j is a text like any other',
    (state) => {
      expect(read(`code=a&state=${encodeURIComponent(state)}`)).toMatchObject({ state })
    },
  )

  it('an empty parameter is one that is left out (RFC 6749 section 3.1)', () => {
    expect(read('code=a&error=&iss=&state=s')).toEqual({ code: 'a', error: undefined, state: 's' })
  })
})

describe('the issuer', () => {
  test.each([issuer, 'https://identity.pagerduty.com/global/oauth/anonymous'])('%s is accepted', (iss) => {
    expect(read(`code=a&state=s&iss=${encodeURIComponent(iss)}`)).toMatchObject({ code: 'a' })
  })

  test.each([
    'https://evil.example',
    `${issuer}/`,
    issuer.toUpperCase(),
    issuer.replace('https:', 'HTTPS:'),
    issuer.replace('https:', 'http:'),
    issuer.replace('.com', '.com:443'),
    ` ${issuer}`,
    `${issuer} `,
    `${issuer}?`,
    `${issuer}.evil.example`,
    'https://app.pagerduty.com',
    'null',
  ])('%j is rejected, since it is compared byte for byte', (iss) => {
    for (const query of ['code=a', 'error=access_denied']) {
      expect(failure(`${query}&state=s&iss=${encodeURIComponent(iss)}`)).toMatchObject(malformed)
    }
  })

  it('is that of the option', () => {
    const own = clientOf({ callbackURL, issuer: 'https://as.example/' })
    const readOwn = (iss: string) => readAuthorizationResponse(own, `${path}?code=a&state=s&iss=${iss}`)
    expect(readOwn('https://as.example/')).toMatchObject({ code: 'a' })
    expect(() => readOwn('https://as.example')).toThrow(AuthorizationResponseError)
    expect(() => readOwn(issuer)).toThrow(AuthorizationResponseError)
  })
})

describe('an error from the query', () => {
  test.each([
    'access_denied',
    'invalid_request',
    'unauthorized_client',
    'unsupported_response_type',
    'invalid_scope',
    'server_error',
    'temporarily_unavailable',
    'interaction_required',
    'login_required',
    'consent_required',
  ])('%s is known', (error) => {
    expect(read(`error=${error}&state=s`)?.error).toBe(error)
    expect(refusedLogin(error)).toMatchObject({ code: error })
  })

  test.each([
    '<script>alert(1)</script>',
    'Access_Denied',
    'access_denied ',
    'constructor',
    '__proto__',
    '../x',
    '5',
  ])('%j is not, and is not repeated', (error) => {
    expect(read(`error=${encodeURIComponent(error)}&state=s`)).toEqual({
      code: undefined,
      error: 'unknown_error',
      state: 's',
    })
  })

  it('keeps its description and URI to itself', () => {
    const query =
      'error=access_denied&error_description=CANARY%0d%0a&error_uri=https://CANARY.example&state=s'
    const response = read(query)
    expect(JSON.stringify(response)).not.toContain('CANARY')
    expect(visibleText(refusedLogin(response?.error ?? ''))).not.toContain('CANARY')
  })

  test.each([
    ['access_denied', 403, false],
    ['server_error', 503, true],
    ['temporarily_unavailable', 503, true],
    ['invalid_scope', 400, false],
    ['unknown_error', 400, false],
  ])('%s is mapped to %i, transient: %s', (error, status, isTransient) => {
    const refused = refusedLogin(error)
    expect(refused).toBeInstanceOf(AuthorizationResponseError)
    expect(refused).toMatchObject({ status, isTransient })
    expect(refused.headers).toEqual(isTransient ? { 'Retry-After': '10' } : {})
  })
})

describe('a request target that no URL parser takes', () => {
  for (const url of ['/\\[', '/\\a:b', 'http://[', 'http://a:b/', '/\\?code=a&state=b']) {
    test(`"${url}" is handled like any other`, () => {
      expect(() => attempt(url)).not.toThrow()
    })
  }
})
