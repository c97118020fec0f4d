import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'

/** An Express app on a free port of 127.0.0.1. */
export interface RunningApp {
  url: string
  close(): Promise<void>
}

/** Listens first, so that the app can be made with its own URL in hand. */
export async function serve(
  make: (app: Express, url: string, server: Server) => void | Promise<void>,
): Promise<RunningApp> {
  const app = express()
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    await make(app, url, server)
  } catch (error) {
    server.close()
    throw error
  }
  return {
    url,
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
