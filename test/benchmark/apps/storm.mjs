import { Agent, request } from 'node:http'

// Kept open between storms, as browsers and proxies keep theirs.
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })

/** Sends many requests at once to the app of this very process, and tells how each was answered. */
export async function storm(url, { path, cookie, requests }) {
  const statuses = {}
  const latencies = await Promise.all(
    Array.from({ length: requests }, async () => {
      const startedAt = performance.now()
      const status = await get(url + path, cookie)
      statuses[status] = (statuses[status] ?? 0) + 1
      return performance.now() - startedAt
    }),
  )
  return { statuses, latencies }
}

function get(url, cookie) {
  return new Promise((resolve) => {
    const sent = request(url, { agent, headers: { cookie } }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode))
    })
    sent.setTimeout(30_000, () => sent.destroy())
    sent.on('error', () => resolve('no answer'))
    sent.end()
  })
}
