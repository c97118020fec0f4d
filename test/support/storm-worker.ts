// One process of an app: `pd.auth()` over Redis, with requests sent to it from inside. Driven by messages.
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { pagerduty } from '../../src'

/** What the parent sends. */
export interface Order {
  cookie: string
  requests: number
  /** Milliseconds by which this process's clock is set forward first. */
  clockStep: number
}

/** What comes back. */
export interface Outcome {
  statuses: Record<string, number>
  tokens: string[]
  /** Milliseconds. */
  slowest: number
}

// Kept open between storms, as browsers and proxies keep theirs.
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })
const app = express()
const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  // All processes are one app to PagerDuty; only the first one is logged in at.
  const callbackURL = process.env['PAGERDUTY_CALLBACK_URL'] ?? `${url}/auth/pagerduty/callback`
  const pd = pagerduty({ scope: 'incidents.read', callbackURL })
  app.use(pd.auth())
  app.get('/token', pd.requireScopes('incidents.read'), async (req, res) => {
    res.json(await req.pagerduty.getAccessToken())
  })
  process.on('message', (order: Order) => void storm(url, order).then((outcome) => process.send?.(outcome)))
  process.send?.(url)
})

server.keepAliveTimeout = 120_000

async function storm(url: string, { cookie, requests, clockStep }: Order): Promise<Outcome> {
  const now = Date.now.bind(Date)
  Date.now = () => now() + clockStep
  const outcome: Outcome = { statuses: {}, tokens: [], slowest: 0 }
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: requests }, async () => {
      const { status, body } = await get(`${url}/token`, cookie)
      outcome.statuses[status] = (outcome.statuses[status] ?? 0) + 1
      if (!outcome.tokens.includes(body)) outcome.tokens.push(body)
      outcome.slowest = Math.max(outcome.slowest, performance.now() - startedAt)
    }),
  )
  Date.now = now
  return outcome
}

function get(url: string, cookie: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { cookie } }, (answer) => {
      let body = ''
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()))
      answer.on('end', () => resolve({ status: answer.statusCode as number, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}
