// panva's certified OpenID Provider as a process of its own: plain Node can import it, Jest cannot. Clients come by
// dynamic registration (RFC 7591), so that every app under test is a client of its own. Driven by messages.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const { accessTokenTTL, scopes } = JSON.parse(process.argv[2])
const month = 30 * 24 * 60 * 60
const pagerDutyClaims = ['purpose', 'user_id', 'account_id', 'subdomain', 'delegation_id']
const accounts = {
  PACME01: { account_id: 'PACME00', subdomain: 'acme' },
  PGLBX01: { account_id: 'PGLBX00', subdomain: 'globex' },
}

const server = createServer().listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`
const provider = new Provider(issuer, {
  scopes: ['openid', ...scopes],
  claims: { openid: ['sub', ...pagerDutyClaims] },
  // PagerDuty has no userinfo that the library would ask: everything is in the id_token.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  expiresWithSession: () => false,
  ttl: {
    AccessToken: accessTokenTTL,
    AuthorizationCode: 60,
    Grant: month,
    IdToken: 600,
    Interaction: 600,
    RefreshToken: month,
    Session: month,
  },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: true },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    rpInitiatedLogout: { enabled: false },
  },
  clientBasedCORS: () => false,
  cookies: { keys: [randomBytes(16).toString('hex')] },
  jwks: { keys: [signingKey()] },
  interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
  findAccount: (_ctx, id, token) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      purpose: 'id',
      user_id: id,
      ...accounts[id],
      ...(token?.grantId && { delegation_id: `D${token.grantId}` }),
    }),
  }),
})

/** What happened, for the parent to ask about. */
const seen = { exchanges: [], revocations: [], serverErrors: [] }
let gate = { opened: Promise.resolve(), open() {} }

provider.on('server_error', (_ctx, error) => seen.serverErrors.push(error.stack))
provider.use(async (ctx, next) => {
  if (ctx.path === '/token') {
    const exchange = { status: 0 }
    seen.exchanges.push(exchange)
    await gate.opened
    await next()
    const { grant_type: grantType, client_id: clientID } = ctx.oidc.body
    const keys = Object.keys(ctx.oidc.body).sort()
    const hasAuthorization = ctx.get('authorization') !== ''
    const { status, body } = ctx
    Object.assign(exchange, { clientID, grantType, keys, hasAuthorization, status, error: body?.error })
    return
  }
  await next()
  if (ctx.path === '/token/revocation') {
    const { client_id: clientID } = ctx.oidc.body
    seen.revocations.push({ clientID, keys: Object.keys(ctx.oidc.body).sort(), status: ctx.status })
  }
})

const callback = provider.callback()
server.on('request', (req, res) => {
  const { pathname, searchParams } = new URL(req.url, issuer)
  if (!pathname.startsWith('/interaction/')) return callback(req, res)
  interact(req, res, searchParams).catch((error) => {
    seen.serverErrors.push(error.stack)
    res.writeHead(500).end()
  })
})

/** What the person does is in the query: `user` logs in, and grants everything but `without`, or presses `deny`. */
async function interact(req, res, query) {
  const { prompt, params } = await provider.interactionDetails(req, res)
  const finish = (result) => provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true })
  if (prompt.name === 'login') return finish({ login: { accountId: query.get('user') } })
  if (query.has('deny')) {
    return finish({ error: 'access_denied', error_description: 'The person said no' })
  }
  const grant = new provider.Grant({ accountId: query.get('user'), clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  if (query.has('without')) grant.rejectOIDCScope(query.get('without'))
  return finish({ consent: { grantId: await grant.save() } })
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    ...privateKey.export({ format: 'jwk' }),
    alg: 'RS256',
    use: 'sig',
    kid: randomBytes(4).toString('hex'),
  }
}

const orders = {
  seen: () => seen,
  hold() {
    gate = {}
    gate.opened = new Promise((resolve) => (gate.open = resolve))
  },
  release: () => gate.open(),
  dropAccessToken: async (value) => (await provider.AccessToken.find(value)).destroy(),
}
process.on('message', async ({ id, order, value }) => {
  process.send({ id, result: await orders[order](value) })
})
process.on('disconnect', () => process.exit())
process.send(issuer)
