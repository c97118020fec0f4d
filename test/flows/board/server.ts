// One process of the board.
import type { AddressInfo } from 'node:net'
import { close } from './accounts'
import { app } from './app'
import { subscribe, unsubscribe } from './live'

const server = app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', async () => {
  await subscribe()
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

process.once('SIGTERM', () => {
  server.maxRequestsPerSocket = 1
  server.close(() => void close())
  void unsubscribe() // ends the event streams, which the server would wait for
  setTimeout(() => server.closeAllConnections(), 15_000).unref()
})
