// Auth.js for Express, with its session in an encrypted cookie, as it comes.
import { ExpressAuth, getSession } from '@auth/express'
import { provider, scope, secret } from './provider.mjs'
import { incidents, serve } from './serve.mjs'

await serve((app, url) => {
  const config = {
    basePath: '/auth',
    secret,
    trustHost: true,
    providers: [
      {
        id: 'pagerduty',
        name: 'PagerDuty',
        type: 'oauth',
        issuer: 'https://app.pagerduty.com/global/oauth/anonymous',
        checks: ['pkce', 'state'],
        clientId: provider.clientID,
        clientSecret: provider.clientSecret,
        client: { token_endpoint_auth_method: 'client_secret_post' },
        authorization: { url: `${provider.url}/oauth/authorize`, params: { scope } },
        token: `${provider.url}/oauth/token`,
        userinfo: `${provider.url}/global/oauth/userinfo`,
        profile: ({ user_id: id }) => ({ id, name: id }),
      },
    ],
    callbacks: {
      jwt: ({ token, account }) => (account ? { ...token, account } : token),
      session: ({ session, token }) => ({ ...session, scope: token.account.scope }),
      redirect: () => url,
    },
  }
  app.set('trust proxy', true)
  // It takes its base path from the first group, which in Express 5 only a regular expression has.
  app.use(/^\/auth\/(.*)/, ExpressAuth(config))
  app.get('/incidents', async (req, res) => {
    const session = await getSession(req, config)
    if (session === null) return res.status(401).json({ error: 'unauthorized' })
    if (!session.scope.split(' ').includes(scope)) return res.status(403).json({ error: 'forbidden' })
    res.json(incidents)
  })
})
