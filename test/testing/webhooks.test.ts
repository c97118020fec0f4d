import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingHttpHeaders, type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type WebhookEvent, incidentIDOf, webhookEventTypes } from '../../src'
import { sendWebhook } from '../../src/testing'
import { api, appToken, simulators, tokensOf } from './support'

const { start } = simulators()
const secret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK'

interface Received {
  headers: IncomingHttpHeaders
  body: Buffer
}

let server: Server
let url: string
let received: Received[]

beforeEach(async () => {
  received = []
  server = createServer((req, res) => {
    void buffer(req).then((body) => {
      received.push({ headers: req.headers, body })
      res.writeHead(202, { 'X-Answer': 'yes' }).end('taken')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
})
afterEach(async () => {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

function last(): Received & { event: Record<string, unknown> } {
  const one = received.at(-1) as Received
  return { ...one, ...(JSON.parse(one.body.toString()) as { event: Record<string, unknown> }) }
}

function sign(body: Buffer, key = secret): string {
  return `v1=${createHmac('sha256', key).update(body).digest('hex')}`
}

describe('a webhook delivery', () => {
  it('is signed over its exact bytes and has the headers of PagerDuty', async () => {
    const answer = await sendWebhook(
      url,
      { event_type: 'incident.triggered', data: { title: 'Ærø ☃' } },
      { secret },
    )
    const { headers, body } = last()
    expect(headers).toMatchObject({
      accept: 'application/json',
      'content-type': 'application/json',
      'user-agent': 'PagerDuty-Webhook/V3.0',
      'x-pagerduty-signature': sign(body),
      'x-webhook-id': answer.deliveryID,
      'x-webhook-subscription': 'PSUBSCR',
    })
    expect(headers.authorization).toBeUndefined()
    expect(answer).toMatchObject({ status: 202, body: 'taken' })
    expect(answer.headers.get('x-answer')).toBe('yes')
  })

  it('is signed once for each secret', async () => {
    await sendWebhook(url, 'incident.triggered', { secret: [secret, 'the next one'] })
    const { headers, body } = last()
    expect(headers['x-pagerduty-signature']).toBe(`${sign(body)},${sign(body, 'the next one')}`)
  })

  it('may have a bearer token, ids and headers of the subscription', async () => {
    const how = { bearer: 'token', deliveryID: 'D1', subscriptionID: 'S1', headers: { 'X-Team': 'ops' } }
    await sendWebhook(url, 'incident.triggered', { secret, ...how })
    expect(last().headers).toMatchObject({
      authorization: 'Bearer token',
      'x-webhook-id': 'D1',
      'x-webhook-subscription': 'S1',
      'x-team': 'ops',
    })
  })

  it('comes again with the same bytes and ids', async () => {
    const first = await sendWebhook(url, 'incident.triggered', { secret })
    const second = await (await first.again()).again()
    const seen = received.map(({ headers, body }) => [headers['x-webhook-id'], body.toString()])
    expect(seen).toEqual(Array(3).fill([first.deliveryID, JSON.stringify({ event: first.event })]))
    expect(second.deliveryID).toBe(first.deliveryID)
    await sendWebhook(url, 'incident.triggered', { secret })
    expect(last().event['id']).not.toBe(first.event.id)
    expect(last().headers['x-webhook-id']).not.toBe(first.deliveryID)
  })

  it('may be forged, or changed after it was signed', async () => {
    await sendWebhook(url, 'incident.triggered', { secret, signature: 'v1=00' })
    expect(last().headers['x-pagerduty-signature']).toBe('v1=00')
    const { event } = await sendWebhook(url, 'incident.triggered', { secret, body: '{"event":{}}' })
    expect(last().body.toString()).toBe('{"event":{}}')
    expect(last().headers['x-pagerduty-signature']).toBe(sign(Buffer.from(JSON.stringify({ event }))))
  })

  it('goes to this machine only', async () => {
    await expect(sendWebhook('https://example.com/hook', 'pagey.ping', { secret })).rejects.toThrow(
      'example.com',
    )
    await expect(sendWebhook('http://127.0.0.1.example.com/', 'pagey.ping', { secret })).rejects.toThrow(
      '"url"',
    )
  })
})

describe('its event', () => {
  it('is a whole incident in the shape that PagerDuty documents', async () => {
    await sendWebhook(url, 'incident.triggered', { secret })
    const { event } = last()
    const reference = (type: string) => ({
      id: expect.stringMatching(/^P\w{6}$/),
      type: `${type}_reference`,
      summary: expect.any(String),
      self: expect.stringMatching(/^https:\/\/api\.pagerduty\.com\//),
      html_url: expect.stringMatching(/^https:\/\/acme\.pagerduty\.com\//),
    })
    expect(event).toEqual({
      id: expect.stringMatching(/^[\w-]{20,}$/),
      event_type: 'incident.triggered',
      resource_type: 'incident',
      occurred_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      agent: reference('user'),
      client: null,
      data: {
        id: expect.stringMatching(/^P\w{6}$/),
        type: 'incident',
        self: expect.stringContaining('/incidents/P'),
        html_url: expect.stringContaining('/incidents/P'),
        number: expect.any(Number),
        status: 'triggered',
        incident_key: expect.stringMatching(/^[0-9a-f]{32}$/),
        created_at: expect.any(String),
        title: expect.any(String),
        service: reference('service'),
        assignees: [reference('user')],
        escalation_policy: reference('escalation_policy'),
        teams: [],
        priority: null,
        urgency: 'high',
        conference_bridge: null,
        resolve_reason: null,
        incident_type: { name: 'incident_default' },
      },
    })
  })

  it.each(webhookEventTypes)('%s names what it is about', async (type) => {
    await sendWebhook(url, type, { secret })
    const event = last().event as unknown as WebhookEvent
    expect(event.resource_type).toBe(type.split('.')[0])
    expect(event.data.type).not.toBe('incident_detail')
    const { id, service } = event.data as { id?: string; service?: { id: string } }
    const found = type.startsWith('incident.') ? incidentIDOf(event) : (service?.id ?? id)
    expect(found).toMatch(/^P\w{6}$/)
  })

  it.each([
    ['incident.resolved', 'resolved'],
    ['incident.acknowledged', 'acknowledged'],
    ['incident.reopened', 'triggered'],
  ])('%s shows the status that follows from it', async (type, status) => {
    await sendWebhook(url, type, { secret })
    expect((last().event['data'] as { status: string }).status).toBe(status)
  })

  it('takes what the test gives, and no more', async () => {
    const given = { id: '1', agent: null, client: { name: 'X' }, occurred_at: '2020-01-01T00:00:00Z' }
    await sendWebhook(url, { event_type: 'incident.resolved', ...given, data: { title: 'Mine' } }, { secret })
    expect(last().event).toMatchObject({ ...given, data: { title: 'Mine', type: 'incident' } })
    await sendWebhook(url, { event_type: 'incident.resolved', data: null }, { secret })
    expect(last().event['data']).toBeNull()
    await sendWebhook(url, 'planet.exploded', { secret })
    expect(last().event).toMatchObject({ resource_type: 'planet', data: { type: 'planet' } })
  })

  it('is PagerDuty’s test delivery for pagey.ping', async () => {
    await sendWebhook(url, 'pagey.ping', { secret })
    expect(last().event).toMatchObject({
      event_type: 'pagey.ping',
      resource_type: 'pagey',
      agent: null,
      client: null,
      data: { message: 'Hello from your friend Pagey!', type: 'ping' },
    })
  })
})

describe('the simulator', () => {
  it('sends incidents and services that its REST API has', async () => {
    const simulator = await start()
    for (const [subdomain, account] of [
      ['acme', 'us.acme'],
      ['globex', 'eu.globex'],
    ] as const) {
      const { body } = await appToken(simulator, `as_account-${account} incidents.read services.read`)
      const { accessToken } = tokensOf(body)
      const { event } = await simulator.sendWebhook(url, 'incident.annotated', { secret, subdomain })
      const id = incidentIDOf(event as unknown as WebhookEvent)
      const found = await api(simulator, accessToken, `/incidents/${id}`)
      expect(found.status).toBe(200)
      expect(await found.json()).toMatchObject({ incident: { id } })
    }
  })

  it('sends the incident that is named', async () => {
    const simulator = await start()
    const { accessToken } = tokensOf((await appToken(simulator, 'as_account-us.acme incidents.read')).body)
    const { incidents } = (await (await api(simulator, accessToken, '/incidents')).json()) as {
      incidents: { id: string; title: string }[]
    }
    const { id, title } = incidents[3] as { id: string; title: string }
    const whole = await simulator.sendWebhook(
      url,
      { event_type: 'incident.escalated', data: { id } },
      { secret },
    )
    expect(whole.event.data).toMatchObject({ id, title })
    const note = { event_type: 'incident.annotated', data: { incident: { id } } }
    expect((await simulator.sendWebhook(url, note, { secret })).event.data).toMatchObject({
      incident: { id, summary: title, type: 'incident_reference' },
    })
    await expect(simulator.sendWebhook(url, 'pagey.ping', { secret, subdomain: 'nobody' })).rejects.toThrow(
      '"nobody"',
    )
  })
})
