import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import * as oauth from 'oauth4webapi'
import { TokenEndpointError } from '../../src/errors/pagerduty-errors'
import { requestToken } from '../../src/oauth/token-endpoint'
import type { TokenResponse } from '../../src/oauth/token-set'
import { runs } from '../fuzz/runs'
import { clientOf } from '../support/client'
import { claimsOf, issuers, signedBy } from '../support/good-id-token'
import { rsaKey } from '../support/keys'

// oauth4webapi, a certified client library, checks the same responses. Where the two differ, it is on purpose and on the
// list below; a difference that is not on the list is a bug.

interface Served {
  status: number
  headers: Record<string, string>
  body: string | Uint8Array
}

interface Verdict {
  accepted: boolean
  accessToken?: string
  refreshToken?: string | undefined
  scope?: string | undefined
  lifetime?: number | undefined
}

const [issuer] = issuers
const jsonType = { 'Content-Type': 'application/json' }
const good = { access_token: 'pdus+_0', token_type: 'bearer', expires_in: 86400, scope: 'openid users.read' }

const now = Math.floor(Date.now() / 1000)
const key = rsaKey('a')
const idToken = signedBy(key, claimsOf({ now }))
const longIDToken = signedBy(key, claimsOf({ now }, { long: 'x'.repeat(16_384) }))

function serve(body: unknown, status = 200, headers: Record<string, string> = jsonType): Served {
  return {
    status,
    headers,
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  }
}

function respond({ status, headers, body }: Served): Response {
  return new Response(status === 204 ? null : (body as string), { status, headers })
}

function accepted(response: TokenResponse | oauth.TokenEndpointResponse): Verdict {
  return {
    accepted: true,
    accessToken: response.access_token,
    refreshToken: response.refresh_token,
    scope: response.scope,
    lifetime: response.expires_in,
  }
}

async function ours(served: Served): Promise<Verdict> {
  const client = clientOf({ fetch: async () => respond(served) })
  try {
    return accepted(await requestToken(client, { grant_type: 'authorization_code', code: 'x' }, 1_000))
  } catch (error) {
    if (!(error instanceof TokenEndpointError)) throw error
    return { accepted: false }
  }
}

type Process = (
  as: oauth.AuthorizationServer,
  client: oauth.Client,
  response: Response,
) => Promise<oauth.TokenEndpointResponse>

const flows: Record<string, Process> = {
  'a code': (as, client, response) =>
    oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: oauth.expectNoNonce }),
  'a refresh': oauth.processRefreshTokenResponse,
  'any grant': oauth.processGenericTokenEndpointResponse,
}

async function theirs(
  served: Served,
  process: Process = oauth.processRefreshTokenResponse,
): Promise<Verdict> {
  try {
    return accepted(await process({ issuer }, { client_id: 'the-client' }, respond(served)))
  } catch {
    return { accepted: false }
  }
}

/** One deliberate difference: which responses it is about, who accepts them, and why. */
interface Difference {
  what: string
  why: string
  accepts: 'us' | 'them'
  applies: (body: Record<string, unknown>) => boolean
  example: Record<string, unknown>
}

const isText = (value: unknown): value is string => typeof value === 'string'
/** Strictly a number from nought up in text. */
const isPlainNumber = (value: unknown) => isText(value) && /^\d+(\.\d+)?$/.test(value)

const differences: readonly Difference[] = [
  ...['refresh_token', 'scope', 'id_token', 'expires_in'].map((member): Difference => ({
    what: `a ${member} of null`,
    why: 'PagerDuty sends "id_token": null with app tokens: null is as good as absent',
    accepts: 'us',
    applies: (body) => body[member] === null,
    example: { [member]: null },
  })),
  {
    what: 'a negative expires_in',
    why: 'the token is real, only over at once: it is renewed instead of lost',
    accepts: 'us',
    applies: ({ expires_in }) => typeof expires_in === 'number' && expires_in < 0,
    example: { expires_in: -1 },
  },
  {
    what: 'an expires_in in text beyond what a number can hold',
    why: 'any long lifetime is cut to 400 days',
    accepts: 'us',
    applies: ({ expires_in }) => isPlainNumber(expires_in) && !Number.isFinite(Number(expires_in)),
    example: { expires_in: '9'.repeat(400) },
  },
  {
    what: 'an expires_in that parseFloat makes a number of',
    why: 'a text that only begins with a number, or a list, is a fault of the server and no lifetime',
    accepts: 'them',
    applies: ({ expires_in }) =>
      expires_in !== null &&
      typeof expires_in !== 'number' &&
      !isPlainNumber(expires_in) &&
      Number.isFinite(Number.parseFloat(String(expires_in))),
    example: { expires_in: '3600 seconds' },
  },
  {
    what: 'an empty refresh_token',
    why: 'nothing to refresh with, which is what an absent one says too',
    accepts: 'us',
    applies: ({ refresh_token }) => refresh_token === '',
    example: { refresh_token: '' },
  },
  {
    what: 'an id_token that is no valid one',
    why: 'the id_token is verified by its own class, with the signature, and only where a login needs it',
    accepts: 'us',
    applies: ({ id_token }) => isText(id_token) && id_token !== idToken,
    example: { id_token: 'a.b.c' },
  },
  {
    what: 'an access_token of other than visible ASCII characters',
    why: 'it could not be sent in an Authorization header (RFC 6750 section 2.1), or would end it early',
    accepts: 'them',
    applies: ({ access_token }) =>
      isText(access_token) && access_token !== '' && !/^[!-~]*$/.test(access_token),
    example: { access_token: 'a\nb' },
  },
  {
    what: 'an access_token of more than 8192 characters',
    why: 'no server takes a header of that size, and sessions have to hold it',
    accepts: 'them',
    applies: ({ access_token }) => isText(access_token) && access_token.length > 8192,
    example: { access_token: 'a'.repeat(8193) },
  },
  ...Object.entries({
    refresh_token: 'a'.repeat(16_385),
    scope: 'a'.repeat(16_385),
    id_token: longIDToken,
  }).map(([member, long]): Difference => ({
    what: `a ${member} of more than 16384 characters`,
    why: 'stores have to hold it',
    accepts: 'them',
    applies: (body) => isText(body[member]) && body[member].length > 16_384,
    example: { [member]: long },
  })),
  {
    what: 'the token_type DPoP',
    why: 'this package sends bearer tokens only, and a DPoP token sent so is refused',
    accepts: 'them',
    applies: ({ token_type }) => isText(token_type) && token_type.toLowerCase() === 'dpop',
    example: { token_type: 'DPoP' },
  },
  {
    what: 'a 200 with an error',
    why: 'the server says that it failed, whatever else it says',
    accepts: 'them',
    applies: ({ error }) => isText(error),
    example: { error: 'invalid_grant' },
  },
]

function allowed(body: Record<string, unknown>, accepts: 'us' | 'them'): boolean {
  return differences.some((difference) => difference.accepts === accepts && difference.applies(body))
}

describe('both accept, with the same result,', () => {
  test.each<[string, unknown]>([
    ['a login', { ...good, refresh_token: 'pdrt+_0', id_token: idToken }],
    ['a refresh', { ...good, refresh_token: 'pdrt+_0' }],
    ['a refresh without a new refresh token', good],
    ['no scope', { ...good, scope: undefined }],
    ['an empty scope', { ...good, scope: '' }],
    ['no expires_in', { ...good, expires_in: undefined }],
    ['an expires_in in text', { ...good, expires_in: '3600' }],
    ['an expires_in of nought', { ...good, expires_in: 0 }],
    ['a fraction of a second', { ...good, expires_in: 0.5 }],
    ['Bearer', { ...good, token_type: 'Bearer' }],
    ['unknown members', { ...good, aud: [], client_info: { a: 1 } }],
    ['members twice', JSON.stringify(good).replace('{', '{"access_token":5,')],
    ['a byte order mark', `\ufeff${JSON.stringify(good)}`],
    ['members in __proto__', JSON.stringify(good).replace('{', '{"__proto__":{"access_token":5},')],
  ])('%s', async (_name, body) => {
    const served = serve(body)
    const mine = await ours(served)
    expect(mine.accepted).toBe(true)
    for (const process of Object.values(flows)) {
      const other = await theirs(served, process)
      // Without a lifetime we count on five minutes; they leave it open.
      expect({ ...mine, lifetime: other.lifetime }).toEqual(other)
      expect(mine.lifetime).toBe(other.lifetime ?? 300)
    }
  })
})

describe('both reject', () => {
  test.each<[string, Served]>([
    ['an error', serve({ error: 'invalid_grant' }, 400)],
    [
      'an error with a challenge',
      serve({ error: 'invalid_client' }, 401, { ...jsonType, 'WWW-Authenticate': 'Basic' }),
    ],
    ['a token with an error status', serve(good, 400)],
    ['a token with 201', serve(good, 201)],
    ['a token with 500', serve(good, 500)],
    ['204', serve('', 204)],
    ['a redirect', serve(good, 302, { ...jsonType, Location: '/' })],
    ['HTML', serve('<html>', 200, { 'Content-Type': 'text/html' })],
    ['nothing', serve('')],
    ['null', serve('null')],
    ['a list', serve([good])],
    ['a text', serve('"x"')],
    ['half an object', serve('{"access_token":"a"')],
    ['UTF-16', serve(Buffer.from(JSON.stringify(good), 'utf16le'))],
    ['no access_token', serve({ ...good, access_token: undefined })],
    ['an access_token of null', serve({ ...good, access_token: null })],
    ['an empty access_token', serve({ ...good, access_token: '' })],
    ['an access_token that is a number', serve({ ...good, access_token: 5 })],
    ['an access_token that is an object', serve({ ...good, access_token: {} })],
    ['an access_token in __proto__', serve('{"token_type":"bearer","__proto__":{"access_token":"a"}}')],
    ['no token_type', serve({ ...good, token_type: undefined })],
    ['a token_type of null', serve({ ...good, token_type: null })],
    ['mac', serve({ ...good, token_type: 'mac' })],
    ['an expires_in of letters', serve({ ...good, expires_in: 'abc' })],
    ['an empty expires_in', serve({ ...good, expires_in: '' })],
    ['an expires_in of Infinity', serve({ ...good, expires_in: 'Infinity' })],
    ['a negative expires_in in text', serve({ ...good, expires_in: '-1' })],
    ['an expires_in that is an object', serve({ ...good, expires_in: {} })],
    ['a refresh_token that is a number', serve({ ...good, refresh_token: 1 })],
    ['a scope that is a list', serve({ ...good, scope: ['openid'] })],
    ['an id_token that is an object', serve({ ...good, id_token: {} })],
  ])('%s', async (_name, served) => {
    expect(await ours(served)).toEqual({ accepted: false })
    for (const process of Object.values(flows))
      expect(await theirs(served, process)).toEqual({ accepted: false })
  })
})

describe('they differ on purpose', () => {
  test.each(differences.map((it) => [it.what, it] as const))(
    '%s',
    async (_what, { accepts, applies, example, why }) => {
      const body = { ...good, ...example }
      expect(applies(body)).toBe(true)
      expect(applies(good)).toBe(false)
      expect(why).not.toBe('')
      const served = serve(body)
      expect([(await ours(served)).accepted, (await theirs(served)).accepted]).toEqual([
        accepts === 'us',
        accepts === 'them',
      ])
    },
  )

  test.each<[string, Served]>([
    // A page that holds JSON is not the token endpoint speaking (RFC 6749 section 5.1 names the type).
    ['JSON that is called HTML', serve(good, 200, { 'Content-Type': 'text/html' })],
    // A replaced byte would be a changed token.
    ['invalid UTF-8', serve(Buffer.from(JSON.stringify({ ...good, scope: '\u00e9' }), 'latin1'))],
    ['more than 64 KB', serve({ ...good, extra: 'x'.repeat(65_536) })],
  ])('%s is accepted by them alone', async (_name, served) => {
    expect([(await ours(served)).accepted, (await theirs(served)).accepted]).toEqual([false, true])
  })

  // JSON has no such number; to us it is one beyond 400 days.
  test('an expires_in beyond numbers is accepted by us alone, and cut to 400 days', async () => {
    const served = serve(JSON.stringify(good).replace('86400', '1e400'))
    expect([(await ours(served)).lifetime, (await theirs(served)).accepted]).toEqual([34_560_000, false])
  })
})

describe('any JSON object', () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>(
      '',
      '0',
      '60',
      '1.5',
      '-1',
      ' 5',
      '5s',
      'NaN',
      'Infinity',
      '1e3',
      null,
      true,
      [5],
      {},
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  )
  const mostly = (value: unknown) => fc.oneof({ arbitrary: fc.constant(value), weight: 8 }, odd)
  const member = {
    access_token: mostly('pdus+_0'),
    token_type: fc.oneof(mostly('bearer'), fc.constantFrom('BEARER', 'mac', 'DPoP', 'bearer ', 'N_A')),
    expires_in: mostly(3600),
    refresh_token: mostly('pdrt+_0'),
    scope: mostly('openid users.read'),
    id_token: mostly(idToken),
    error: fc.oneof({ arbitrary: fc.constant(undefined), weight: 9 }, odd),
  }

  it('is accepted or rejected alike, and read alike, except for the differences on the list', async () => {
    const tally = { both: 0, neither: 0, us: 0, them: 0 }
    await fc.assert(
      fc.asyncProperty(fc.record(member, { requiredKeys: [] }), async (generated) => {
        const text = JSON.stringify(generated)
        const body = JSON.parse(text) as Record<string, unknown>
        const [mine, other] = await Promise.all([ours(serve(text)), theirs(serve(text))])
        if (mine.accepted !== other.accepted) {
          const who = mine.accepted ? 'us' : 'them'
          tally[who]++
          return allowed(body, who)
        }
        tally[mine.accepted ? 'both' : 'neither']++
        const expected = other.accepted
          ? { ...other, lifetime: Math.min(other.lifetime ?? 300, 34_560_000) }
          : { accepted: false }
        return isDeepStrictEqual(mine, expected)
      }),
      runs(1_500),
    )
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(5)
  })
})
