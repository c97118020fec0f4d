// An app with Auth.js and PagerDuty as a provider of its own, as its users write it; plain Node can import it, Jest cannot.
import { ExpressAuth, getSession } from '@auth/express'
import express from 'express'

const { identityURL, apiURL, clientID, clientSecret } = JSON.parse(process.argv[2])

async function post(form) {
  const body = new URLSearchParams({ client_id: clientID, client_secret: clientSecret, ...form })
  const answer = await fetch(`${identityURL}/oauth/token`, { method: 'POST', body })
  const tokens = await answer.json()
  if (!answer.ok) throw new Error(tokens.error)
  return tokens
}

const config = {
  secret: 'a secret of thirty-two characters at least',
  trustHost: true,
  logger: { error() {}, warn() {} },
  providers: [
    {
      id: 'pagerduty',
      name: 'PagerDuty',
      type: 'oidc',
      // Given one by one: the discovery document names another issuer than its address.
      issuer: 'https://app.pagerduty.com/global/oauth/anonymous',
      authorization: {
        url: `${identityURL}/oauth/authorize`,
        params: { scope: 'openid incidents.read users.read' },
      },
      token: `${identityURL}/oauth/token`,
      jwks_endpoint: `${identityURL}/global/oauth/anonymous/jwks`,
      clientId: clientID,
      clientSecret,
      client: { token_endpoint_auth_method: 'client_secret_post' },
      checks: ['pkce', 'state'],
      profile: ({ user_id }) => ({ id: user_id, name: user_id }),
    },
  ],
  callbacks: {
    async jwt({ token, account }) {
      if (account) {
        const { access_token, refresh_token, expires_at } = account
        return { ...token, access_token, refresh_token, expires_at }
      }
      if (Date.now() < (token.expires_at - 60) * 1000) return token
      const next = await post({ grant_type: 'refresh_token', refresh_token: token.refresh_token })
      return { ...token, ...next, expires_at: Math.floor(Date.now() / 1000) + next.expires_in }
    },
    session: ({ session, token }) => ({ ...session, access_token: token.access_token }),
  },
}

const app = express()
app.use('/auth', ExpressAuth(config))
app.get('/me', async (req, res) => {
  const { access_token } = await getSession(req, config)
  const answer = await fetch(`${apiURL}/users/me`, { headers: { Authorization: `Bearer ${access_token}` } })
  res.status(answer.status).json(await answer.json())
})
const server = app.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}`))
process.on('disconnect', () => process.exit())
