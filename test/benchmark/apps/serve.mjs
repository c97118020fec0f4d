// What all measured apps have in common: an Express app in a process of its own, driven by messages.
import { createServer } from 'node:http'
import express from 'express'
import { storm } from './storm.mjs'

/**
 * @param {(app: import('express').Express, url: string) => void | Promise<void>} make
 * @param {Record<string, (argument: any) => unknown>} more what this app can be asked for besides
 */
export async function serve(make, more = {}) {
  const app = express()
  const server = createServer({ keepAliveTimeout: 600_000 }, app)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  await make(app, url)
  const work = {
    ...more,
    cpu: () => process.cpuUsage(),
    storm: (order) => storm(url, order),
    step: (milliseconds) => {
      const now = Date.now.bind(Date)
      Date.now = () => now() + milliseconds
    },
  }
  process.on('message', async ({ id, name, argument }) => {
    process.send({ id, answer: (await work[name](argument)) ?? null })
  })
  process.once('disconnect', () => process.exit())
  process.send({ url })
  return server
}

/** What every guarded route answers. */
export const incidents = {
  incidents: [{ id: 'PINCID1', title: 'The database is slow', status: 'triggered' }],
}
