import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import { createServer as createTLSServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Identity } from './certificate'

/** A server that listens on 127.0.0.1. */
export interface Listening {
  server: Server
  url: string
  /** What to trust, as PEM; undefined without TLS. */
  certificate: string | undefined
}

export async function listen(port: number, identity: Identity | undefined): Promise<Listening> {
  // Longer than any client keeps an idle connection, so that no request meets a connection that is just being closed.
  const options = { keepAliveTimeout: 120_000 }
  const server = identity ? createTLSServer({ ...options, ...identity }) : createServer(options)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const url = `http${identity ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { server, url, certificate: identity?.cert }
}

export async function shut(server: Server): Promise<void> {
  const ended = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await ended
}
