import type { RequestHandler } from 'express'
import { type Account, type Simulator } from '../testing'
import { type WebhookSigning, act } from './control-actions'
import { type ControlState, contentSecurityPolicy, controlPage } from './control-page'

/** Serves the control page, to this machine and its own forms only. */
export function control(
  simulator: Simulator,
  accounts: readonly Account[],
  signing: WebhookSigning & { webhookURL: string },
): RequestHandler {
  const { port, protocol } = new URL(simulator.url)
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`]
  const state: ControlState = { accounts, webhookURL: signing.webhookURL, said: undefined }

  return function controlRoutes(req, res, next) {
    if (req.path !== '/') return next()
    const { host = '', origin, 'sec-fetch-site': site } = req.headers
    // A foreign host name that resolves to this machine must not open it (DNS rebinding).
    if (!hosts.includes(host)) return void res.status(403).send('Only by the name of this machine.\n')
    if (req.method === 'GET') {
      res.set({
        'Cache-Control': 'no-store',
        'Content-Security-Policy': contentSecurityPolicy,
        'Referrer-Policy': 'same-origin',
        'X-Content-Type-Options': 'nosniff',
      })
      return void res.type('html').send(controlPage(simulator, state))
    }
    if (req.method !== 'POST') return next()
    const isOwn = origin === undefined ? site === undefined : origin === `${protocol}//${host}`
    if (!isOwn) return void res.status(403).send('Only from the control page itself.\n')
    const form = new URLSearchParams(typeof req.body === 'string' ? req.body : '')
    act(simulator, form, signing)
      .then((said) => {
        state.said = said
        state.webhookURL = form.get('url') ?? state.webhookURL
        res.redirect(303, req.originalUrl)
      })
      .catch(next)
  }
}
