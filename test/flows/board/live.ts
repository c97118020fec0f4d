// Live updates: what one process learns goes through Redis to the pages that are open at any of them.
import type { RequestHandler, Response } from 'express'
import { incidentIDOf } from 'passport-pagerduty'
import { type Name, accounts, names, redis } from './accounts'

const clients = new Set<{ account: string; res: Response; check: () => unknown }>()
const subscriber = redis.duplicate()
subscriber.on('message', (account, event) => {
  const meant = [...clients].filter((client) => client.account === account)
  for (const { res, check } of meant) void (event ? res.write(`data: ${event}\n\n`) : check())
})

export async function subscribe(): Promise<void> {
  for (const name of names) accounts[name].on('logout', () => redis.publish(name, ''))
  await subscriber.subscribe(...names)
}

export async function unsubscribe(): Promise<void> {
  for (const { res } of clients) res.end()
  await subscriber.quit()
}

export const receive = (name: Name) =>
  accounts[name].webhook((event) =>
    redis.publish(name, JSON.stringify({ type: event.event_type, incident: incidentIDOf(event) })),
  )

/** Server-sent events of an account, until the login ends. Goes behind a guard. */
export const follow =
  (account: Name): RequestHandler =>
  (req, res) => {
    let id = req[account].requireLogin().grantID
    const check = async () => {
      const live = await accounts[account].grants.get(id)
      if (live === undefined) res.end()
      else id = live.grantID ?? id // a step-up has replaced it
    }
    const client = { account, res, check: () => check().catch(() => {}) } // an outage ends nothing
    const timer = setInterval(client.check, 30_000) // PagerDuty may end a grant, too
    clients.add(client)
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
    res.on('close', () => clearInterval(timer)).on('close', () => clients.delete(client))
  }
