// Webhooks: the check of a signature alone, and whole routes.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createRequire } from 'node:module'
import express from 'express'
import { webhookReceiver } from 'passport-pagerduty'
import { serve } from './serve.mjs'
import { inTurns } from './turns.mjs'

// Not exported: the same file that the receiver calls.
const { isSigned } = createRequire(import.meta.url)(
  '../node_modules/passport-pagerduty/dist/webhooks/signature.js',
)
const webhookSecret = process.env.WEBHOOK_SECRET

await serve(
  async (app) => {
    app.post(
      '/ours',
      webhookReceiver({ webhookSecret }, () => {}),
    )
    app.post('/by-hand', express.raw({ type: '*/*' }), (req, res) => {
      const [, hex = ''] = /^v1=([0-9a-f]{64})$/.exec(req.get('x-pagerduty-signature') ?? '') ?? []
      const expected = createHmac('sha256', webhookSecret).update(req.body).digest()
      const given = Buffer.from(hex, 'hex')
      if (given.length !== 32 || !timingSafeEqual(expected, given)) return res.status(403).end()
      res.status(JSON.parse(req.body).event ? 202 : 400).end()
    })
  },
  {
    verify: async ({ body, rounds, milliseconds }) => {
      const bytes = Buffer.from(body)
      const hex = createHmac('sha256', webhookSecret).update(bytes).digest('hex')
      const header = `v1=${hex}`
      const candidates = {
        'bare HMAC, compared with nothing': () => createHmac('sha256', webhookSecret).update(bytes).digest(),
        'passport-pagerduty': () => isSigned(header, bytes, [webhookSecret]),
      }
      try {
        const { verify } = await import('@octokit/webhooks-methods')
        candidates['@octokit/webhooks-methods'] = () => verify(webhookSecret, body, `sha256=${hex}`)
      } catch {
        // The table goes without it.
      }
      return inTurns(candidates, { rounds, milliseconds })
    },
  },
)
