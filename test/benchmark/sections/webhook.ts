import { createHmac, randomUUID } from 'node:crypto'
import { AppProcess } from '../app-process'
import { type Bench, type Finding, type Rows, ratio } from '../bench'
import { interleave, median, ratioOf, showRatio } from '../figures'
import { Load } from '../load'

const secret = 'HvPtlQNKMPpHSSqJpCdndXfo7HnGXa1pnH6w5axpxLFn9aRBNBGh4e8'
const ours = 'passport-pagerduty'
const bare = 'bare HMAC, compared with nothing'
const octokit = '@octokit/webhooks-methods'

/** The check of a delivery, and the route around it. */
export async function webhook({ isQuick, progress }: Bench): Promise<Finding> {
  const [rounds, milliseconds, deliveries] = isQuick ? [7, 30, 300] : [21, 80, 1500]
  progress('webhook')
  const app = await AppProcess.start('webhook', { WEBHOOK_SECRET: secret })
  try {
    const body = eventText()
    const times = await app.ask<Record<string, number[]>>('verify', { body, rounds, milliseconds })
    const load = await Load.open(app.url, 8)
    const routes = ['/by-hand', '/ours']
    await Promise.all(routes.map((path) => load.send(deliveries / 2, shot(path), 202)))
    const cpu: Record<string, number[]> = {}
    const perSecond = await interleave(isQuick ? 3 : 9, routes, async (path) => {
      progress(`webhook: ${path}`)
      const before = await app.cpu()
      const took = await load.send(deliveries, shot(path), 202)
      ;(cpu[path] ??= []).push(((await app.cpu()) - before) / deliveries)
      return deliveries / (took / 1000)
    })
    load.close()
    const rows: Rows = [
      ['', 'verify, µs of CPU', 'against bare HMAC', 'whole route, requests/s', 'CPU per delivery, µs'],
    ]
    const route: Record<string, string> = { [ours]: '/ours', [bare]: '/by-hand' }
    for (const [name, values] of Object.entries(times)) {
      const path = route[name]
      rows.push([
        name,
        (median(values) / 1000).toFixed(2),
        showRatio(ratioOf(values, times[bare] ?? [])),
        path === undefined ? '–' : Math.round(median(perSecond[path] ?? [])),
        path === undefined ? '–' : Math.round(median(cpu[path] ?? [])),
      ])
    }
    const spread = ratioOf(times[ours] ?? [], times[bare] ?? [])
    return {
      title: 'Webhook',
      how:
        `A delivery of ${Buffer.byteLength(body).toLocaleString('en-US')} bytes. Verify: ${rounds} interleaved rounds of ${milliseconds} ms. The whole ` +
        'route beside the bare HMAC is express.raw(), the HMAC and JSON.parse, written by hand; that of this package also ' +
        'remembers the event, so that no delivery is handled twice.',
      rows,
      notes: times[octokit] ? [] : [`**NOT MEASURED: ${octokit} did not run here.**`],
      goals: [ratio('webhook check against a bare HMAC', spread.median, 1.15, showRatio(spread))],
      plots: {},
    }
  } finally {
    await app.stop()
  }
}

const shot = (path: string) => () => {
  const body = eventText()
  const signature = `v1=${createHmac('sha256', secret).update(body).digest('hex')}`
  const headers = { 'content-type': 'application/json', 'x-pagerduty-signature': signature }
  return { method: 'POST', path, headers, body }
}

/** As long as PagerDuty's incident events are. */
function eventText(): string {
  const reference = (type: string) => ({
    id: 'PACME01',
    type: `${type}_reference`,
    summary: 'The database is slow',
    self: 'https://api.pagerduty.com/things/PACME01',
    html_url: 'https://acme.pagerduty.com/things/PACME01',
  })
  return JSON.stringify({
    event: {
      id: randomUUID(),
      event_type: 'incident.triggered',
      resource_type: 'incident',
      occurred_at: new Date().toISOString(),
      agent: reference('user'),
      client: null,
      data: {
        id: 'PINCID1',
        type: 'incident',
        title: 'The database is slow',
        service: reference('service'),
        assignees: [reference('user'), reference('user')],
        escalation_policy: reference('escalation_policy'),
        teams: [reference('team')],
        priority: reference('priority'),
      },
    },
  })
}
