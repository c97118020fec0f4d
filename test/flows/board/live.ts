// Live updates: what one process learns goes through Redis to the pages that are open at any of them.
import type { RequestHandler } from 'express'
import { incidentIDOf } from 'passport-pagerduty'
import { type Name, accounts, names, redis } from './accounts'

const clients = new Set<{
  account: Name
  send: (event: object) => void
  check: () => unknown
  end: () => void
}>()
const subscriber = redis.duplicate()
const publish = (account: Name, event?: object) =>
  redis.publish('board:live', JSON.stringify({ account, event }))

export async function subscribe(): Promise<void> {
  for (const name of names) accounts[name].on('logout', () => publish(name))
  subscriber.on('message', (_channel, message) => {
    const { account, event } = JSON.parse(message) as { account: Name; event?: object }
    const meant = [...clients].filter((client) => client.account === account)
    for (const client of meant) void (event === undefined ? client.check() : client.send(event))
  })
  await subscriber.subscribe('board:live')
}

export async function unsubscribe(): Promise<void> {
  for (const { end } of clients) end()
  await subscriber.quit()
}

export const receive = (name: Name) =>
  accounts[name].webhook((event) => publish(name, { type: event.event_type, incident: incidentIDOf(event) }))

/** Server-sent events of an account, until the login ends. Goes behind a guard. */
export function follow(account: Name): RequestHandler {
  return (req, res) => {
    let id = req[account].requireLogin().grantID
    const end = () => void res.end()
    const ask = async () => {
      const live = await accounts[account].grants.get(id)
      if (live === undefined) end()
      else id = live.grantID ?? id // a step-up has replaced it
    }
    const check = () => ask().catch(() => {}) // an outage ends nothing
    const send = (event: object) => void res.write(`data: ${JSON.stringify(event)}\n\n`)
    const client = { account, send, check, end }
    const timer = setInterval(check, 30_000)
    clients.add(client)
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
    res.on('close', () => {
      clearInterval(timer)
      clients.delete(client)
    })
  }
}
