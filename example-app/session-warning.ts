import type { IncomingMessage } from 'node:http'
import express, { type Request, type Response, type Router } from 'express'
import type { PagerDuty } from '../src'
import { type Markup, html } from './html'

/** For `session.shouldTouch`: what an open page requests by itself must not extend a login that is not in use. */
export function isUse({ method, url = '' }: IncomingMessage): boolean {
  return method !== 'GET' || !['/session-time', '/events/stream', '/webhooks/stream'].includes(url)
}

/** How long the login still lasts: GET only reports it, POST extends the login too, as `isUse` says. */
export function sessionTime(pd: PagerDuty): Router {
  const report = (req: Request, res: Response) =>
    res.set('Cache-Control', 'no-store').json({ left: timeLeft(req) })
  return express.Router().get('/session-time', report).post('/session-time', pd.requireSameOrigin(), report)
}

/** Milliseconds; browsers have clocks of their own. */
function timeLeft({ pagerduty: { sessionExpiresAt } }: Request): number {
  return sessionExpiresAt === undefined ? 0 : sessionExpiresAt - Date.now()
}

/** Warns shortly before the login ends, and lets the user extend it; other tabs are notified when it is extended. */
export function sessionWarning(req: Request, nonce: string): Markup {
  return html`<div class="warning" id="warning" data-left="${timeLeft(req)}">
      <p role="status"></p>
      <button class="quiet" hidden data-testid="stay">Stay logged in</button>
      <a class="button quiet" hidden href="/auth/pagerduty?returnTo=${encodeURIComponent(req.path)}"
        >Log in again</a
      >
    </div>
    <script nonce="${nonce}">
      {
        const warning = document.getElementById('warning')
        const [status, stay, logIn] = warning.children
        const ahead = Math.min(120_000, warning.dataset.left / 10)
        const longestTimer = 2 ** 31 - 1
        const tabs = new BroadcastChannel('session-time')
        let timer
        const show = (text, button) => {
          status.textContent = text
          for (const one of [stay, logIn]) one.hidden = one !== button
        }
        const expectEnd = (endsAt, button = stay) => {
          const left = endsAt - Date.now()
          clearTimeout(timer)
          if (left > 0)
            timer = setTimeout(request, Math.min(left > ahead ? left - ahead : left, longestTimer))
          if (left > ahead) show('')
          else if (left > 0) show('Your login ends at ' + new Date(endsAt).toLocaleTimeString() + '.', button)
          else show('Your login has ended.', logIn)
        }
        const request = async (method = 'GET') => {
          try {
            const response = await fetch('/session-time', { method })
            const endsAt = Date.now() + (await response.json()).left
            // A login has a longest lifetime. At its end only a new one helps.
            expectEnd(endsAt, method === 'POST' ? logIn : stay)
            tabs.postMessage(endsAt)
          } catch {
            clearTimeout(timer)
            show('The connection is lost. Trying again …')
            timer = setTimeout(request, 5_000)
          }
        }
        stay.onclick = () => request('POST')
        tabs.onmessage = ({ data }) => expectEnd(data)
        // Timers stop while a computer sleeps.
        document.onvisibilitychange = () => document.hidden || request()
        const endsAt = Date.now() + Number(warning.dataset.left)
        expectEnd(endsAt)
        tabs.postMessage(endsAt)
      }
    </script>`
}
