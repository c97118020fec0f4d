// An app with better-auth and PagerDuty by its genericOAuth; plain Node can import it, Jest cannot.
import { createServer } from 'node:http'
import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { toNodeHandler } from 'better-auth/node'
import { genericOAuth } from 'better-auth/plugins'

const { identityURL, apiURL, clientID, clientSecret } = JSON.parse(process.argv[2])
const server = createServer().listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const baseURL = `http://127.0.0.1:${server.address().port}`

const auth = betterAuth({
  baseURL,
  secret: 'a secret of thirty-two characters at least',
  telemetry: { enabled: false },
  logger: { disabled: true },
  database: memoryAdapter({ user: [], account: [], session: [], verification: [] }),
  plugins: [
    genericOAuth({
      config: [
        {
          providerId: 'pagerduty',
          clientId: clientID,
          clientSecret,
          authorizationUrl: `${identityURL}/oauth/authorize`,
          tokenUrl: `${identityURL}/oauth/token`,
          scopes: ['openid', 'incidents.read', 'users.read'],
          // Neither the id_token nor userinfo has an address: the REST API does.
          async getUserInfo({ accessToken }) {
            const headers = { Authorization: `Bearer ${accessToken}` }
            const { user } = await (await fetch(`${apiURL}/users/me`, { headers })).json()
            return { id: user.id, name: user.name, email: user.email, emailVerified: true }
          },
        },
      ],
    }),
  ],
})

server.on('request', toNodeHandler(auth))
process.send(baseURL)
process.on('disconnect', () => process.exit())
