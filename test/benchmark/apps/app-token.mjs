// Tokens of the app itself: what a cached one costs, and what many callers cost where there is none.
import { createServer } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import { AppTokens, RedisTokenStore } from 'passport-pagerduty'
import { Redis } from 'ioredis'
import { provider, scope, secret } from './provider.mjs'
import { inTurns } from './turns.mjs'

const account = 'us.acme'
const ours = new AppTokens({
  clientID: provider.clientID,
  clientSecret: provider.clientSecret,
  identityURL: provider.url,
  account,
  scope,
  secret,
  tokenStore: new RedisTokenStore(new Redis(process.env.REDIS_URL)),
})

/** Each makes a function that gives a token from its cache. */
const cached = {
  'passport-pagerduty': async () => () => ours.getToken(scope),
  'google-auth-library': async () => {
    const { OAuth2Client } = await import('google-auth-library')
    const client = new OAuth2Client()
    client.setCredentials({
      access_token: 'token',
      refresh_token: 'refresh',
      expiry_date: Date.now() + 86_400_000,
    })
    return () => client.getAccessToken()
  },
  '@octokit/auth-app': async () => {
    const { createAppAuth } = await import('@octokit/auth-app')
    const { request } = await import('@octokit/request')
    const server = createServer((_req, res) => {
      res.writeHead(201, { 'Content-Type': 'application/json' })
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
      res.end(
        JSON.stringify({
          token: 'token',
          expires_at: expiresAt,
          permissions: {},
          repository_selection: 'all',
        }),
      )
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    const baseUrl = `http://127.0.0.1:${server.address().port}`
    const auth = createAppAuth({ appId: 1, privateKey, request: request.defaults({ baseUrl }) })
    return () => auth({ type: 'installation', installationId: 1 })
  },
  'simple-oauth2': async () => {
    const token = await (await simpleClient()).getToken({ scope: `as_account-${account} ${scope}` })
    return () => (token.expired(60) ? undefined : token.token.access_token)
  },
  'a bare cached promise': async () => {
    const promise = Promise.resolve({ accessToken: 'token', expiresAt: Date.now() + 86_400_000 })
    return async () => {
      const token = await promise
      return token.expiresAt > Date.now() ? token : undefined
    }
  },
}

async function simpleClient() {
  const { default: simple } = await import('simple-oauth2')
  return new simple.ClientCredentials({
    client: { id: provider.clientID, secret: provider.clientSecret },
    auth: { tokenHost: provider.url, tokenPath: '/oauth/token' },
    options: { authorizationMethod: 'body' },
  })
}

let held
/** Each asks for a token that is not there yet. */
const cold = {
  'passport-pagerduty': () => ours.getToken(scope),
  // As its own documentation does it: ask, and keep what comes.
  'simple-oauth2': async () => {
    if (held === undefined || held.expired()) {
      held = await (await simpleClient()).getToken({ scope: `as_account-${account} ${scope}` })
    }
    return held.token.access_token
  },
  'a bare cached promise': () => {
    held ??= fetch(`${provider.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: provider.clientID,
        client_secret: provider.clientSecret,
        scope: `as_account-${account} ${scope}`,
      }),
    }).then((answer) => answer.json())
    return held
  },
}

const work = {
  cached: async (how) => {
    const made = {}
    const missing = {}
    for (const [name, make] of Object.entries(cached)) {
      try {
        const call = await make()
        await call()
        made[name] = call
      } catch (error) {
        missing[name] = String(error.message)
      }
    }
    return { values: await inTurns(made, how), missing }
  },
  cold: async ({ name, callers }) => {
    const asked = await Promise.allSettled(Array.from({ length: callers }, () => cold[name]()))
    held = undefined
    return { failed: asked.filter(({ status }) => status === 'rejected').length }
  },
}
process.on('message', async ({ id, name, argument }) => {
  process.send({ id, answer: await work[name](argument) })
})
process.once('disconnect', () => process.exit())
process.send({ url: '' })
