import { X509Certificate } from 'node:crypto'
import express from 'express'
import request from 'supertest'
import { Agent, fetch as undiciFetch } from 'undici'
import { pagerduty } from '../../src'
import { type Simulator, defaultClient, loginAs } from '../../src/testing'
import { simulators } from './support'

const { start } = simulators()

/** A fetch that trusts only the simulator. */
function trusting({ certificate }: Simulator): typeof fetch {
  const dispatcher = new Agent({ connect: { ca: certificate as string } })
  return ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as unknown as typeof fetch
}

test.each(['http://localhost:3000/auth/pagerduty/callback', 'https://app.example/auth/pagerduty/callback'])(
  'a login, a call and a refresh go through https, for an app at %s',
  async (callbackURL) => {
    const simulator = await start({ tls: true, clients: [{ ...defaultClient, redirectURIs: [callbackURL] }] })
    const fetch = trusting(simulator)
    expect(simulator.options()).toMatchObject({ identityURL: simulator.url, apiURL: simulator.url })
    const pd = pagerduty({ ...simulator.options(), callbackURL, scope: 'incidents.read', fetch })
    const app = express().use(pd.auth())
    app.get('/incidents', pd.requireScopes('incidents.read'), async (req, res) => {
      res.json(await (await req.pagerduty.fetch('/incidents')).json())
    })
    const begun = await request(app).get('/auth/pagerduty').set('X-Forwarded-Proto', 'https')
    expect(begun.headers['location']).toMatch(/^https:\/\/127\.0\.0\.1:/)
    const isSecure = callbackURL.startsWith('https:')
    expect(String(begun.headers['set-cookie']).startsWith('__Host-')).toBe(isSecure)
    const agent = await loginAs(request.agent(app), { user: 'PACME02', fetch })
    simulator.expireTokens()
    expect((await agent.get('/incidents')).status).toBe(200)
    expect(simulator.calls.token).toMatchObject({ authorization_code: 1, refresh_token: 1 })
    await pd.close()
  },
)

test('who does not trust the certificate does not connect', async () => {
  const simulator = await start({ tls: true })
  await expect(fetch(simulator.url)).rejects.toMatchObject({ cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
  const other = trusting(await start({ tls: true }))
  await expect(other(simulator.url)).rejects.toMatchObject({ cause: { code: expect.stringMatching(/CERT/) } })
})

test('the certificate is for this machine, signs no other, and is one of its own for each simulator', async () => {
  const [one, other] = [await start({ tls: true }), await start({ tls: true })]
  const certificate = new X509Certificate(one.certificate as string)
  expect(certificate.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  expect(certificate.ca).toBe(false)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.checkHost('pagerduty.com')).toBeUndefined()
  expect(other.certificate).not.toBe(one.certificate)
  expect((await start()).certificate).toBeUndefined()
})
