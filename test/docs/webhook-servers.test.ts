import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingMessage, type Server, createServer } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Nginx, startNginx } from '../support/nginx'
import { describeWith } from '../support/programs'
import { freePort } from '../support/redis'
import { eventText, secret, sign } from '../support/webhooks'
import { type Example, example, programOf } from './examples'
import { fileOf, runScript } from './run-example'

const text = (eventType: string) =>
  eventText({ id: 'EVENT1', event_type: eventType, data: { title: 'Ärger' } })
const triggered = text('incident.triggered')
const failing = text('incident.resolved')
const signed = (body: string) => ({ body, signature: sign(body) })

const deliveries = {
  signed: signed(triggered),
  'signed otherwise': { body: triggered, signature: sign('another') },
  old: signed(eventText({ id: 'EVENT1', occurred_at: '2020-01-01T00:00:00Z' })),
  'no event': signed('{}'),
  failing: signed(failing),
}

const env = {
  PAGERDUTY_WEBHOOK_SECRET: secret,
  PAGERDUTY_CLIENT_ID: 'id',
  PAGERDUTY_CLIENT_SECRET: 'secret of the client',
  PAGERDUTY_CALLBACK_URL: 'http://localhost:3000/auth/pagerduty/callback',
}

/** Gives each delivery to the server, where `deliver` does, and returns what it responded and what was handled. */
async function deliverTo(one: Example, deliver: string): Promise<unknown> {
  const end = `
const handled: string[] = []
const handle = async (event: { id: string; event_type: string; data?: { title?: string } }) => {
  // What the handler of a reader may well fail with: an error of PagerDuty's API, which has a status.
  if (event.event_type === 'incident.resolved') throw Object.assign(new Error('no such incident'), { status: 404 })
  handled.push(event.id + ' ' + event.data?.title)
}
const deliveries: Record<string, { body: string; signature: string }> = ${JSON.stringify(deliveries)}
${deliver}
const responses: Record<string, unknown> = {}
for (const [name, { body, signature }] of Object.entries(deliveries)) {
  responses[name] = await deliver(body, { 'Content-Type': 'application/json', 'X-PagerDuty-Signature': signature })
}
process.stdout.write(JSON.stringify({ responses, handled }), () => process.exit())
`
  return JSON.parse(await runScript(fileOf(one), programOf(one, end), env))
}

const rejected = (status: number, code: string) => [status, expect.objectContaining({ code })]
const rejections = {
  'signed otherwise': rejected(403, 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE'),
  old: rejected(202, 'ERR_PAGERDUTY_WEBHOOK_EXPIRED'),
  'no event': rejected(400, 'ERR_PAGERDUTY_WEBHOOK_BODY'),
}
const handled = ['EVENT1 Ärger']

const route = example('docs/webhooks.md, Webhooks without Express, ts')

test('a route handler responds as PagerDuty needs it, and fails where the handler fails', async () => {
  const deliver = `
const deliver = (body: string, headers: Record<string, string>) =>
  POST(new Request('https://acme.example/webhooks/pagerduty', { method: 'POST', headers, body }))
    .then(async (response) => [response.status, response.body && (await response.json())], (error) => error.message)
`
  expect(await deliverTo(route, deliver)).toEqual({
    responses: { signed: [202, null], failing: 'no such incident', ...rejections },
    handled,
  })
})

test('Hono responds as PagerDuty needs it, with a 500 where the handler fails, and reads no more than a delivery', async () => {
  const hono = example('docs/webhooks.md, Webhooks without Express, ts 2')
  const deliver = `
console.error = () => {}
const send = (body: string, headers: Record<string, string>) =>
  server.request('/webhooks/pagerduty', { method: 'POST', headers, body })
const deliver = async (body: string, headers: Record<string, string>) => {
  const response = await send(body, headers)
  return [response.status, response.status < 500 && response.body && (await response.json())]
}
let read = 0
const body = new ReadableStream({
  pull(controller) {
    read += 1024
    if (read > 1024 * 1024) controller.close()
    else controller.enqueue(new Uint8Array(1024))
  },
})
const large = await server.request('/webhooks/pagerduty', { method: 'POST', body, duplex: 'half' } as RequestInit)
if (large.status !== 413 || read > 300 * 1024) throw new Error('The body was read')
`
  expect(await deliverTo({ ...hono, code: route.code + hono.code }, deliver)).toEqual({
    responses: { signed: [202, null], failing: [500, false], ...rejections },
    handled,
  })
})

test('Fastify responds as PagerDuty needs it, with a 503 where the handler fails, and parses the bodies of other routes', async () => {
  const fastify = example('docs/webhooks.md, Webhooks without Express, ts 3')
  const deliver = `
server.post('/other', async ({ body }) => body)
const url = await server.listen({ host: '127.0.0.1', port: 0 })
const send = (path: string, body: string, headers: Record<string, string>) => fetch(url + path, { method: 'POST', headers, body })
const deliver = async (body: string, headers: Record<string, string>) => {
  const response = await send('/webhooks/pagerduty', body, headers)
  const text = await response.text()
  return [response.status, text === '' ? null : JSON.parse(text)]
}
const other = await send('/other', '{"a":1}', { 'Content-Type': 'application/json' })
if (JSON.stringify(await other.json()) !== '{"a":1}') throw new Error('The body was not parsed')
`
  expect(await deliverTo(fastify, deliver)).toEqual({
    responses: { signed: [202, null], failing: [503, null], ...rejections },
    handled,
  })
})

describe.each([
  ['a function URL, in base64', 'true', 'lower'],
  ['an HTTP API, as text', 'false', 'lower'],
  ['a REST API, whose headers keep their case', 'false', 'same'],
])('Lambda behind %s', (_what, isBase64Encoded, headerCase) => {
  test('responds as PagerDuty needs it, and fails where the handler fails', async () => {
    const lambda = example('docs/webhooks.md, Webhooks without Express, ts 4')
    const deliver = `
const deliver = async (body: string, given: Record<string, string>) => {
  const names = (name: string) => ${headerCase === 'lower'} ? name.toLowerCase() : name
  const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [names(name), value]))
  const event = {
    version: '2.0',
    rawPath: '/webhooks/pagerduty',
    headers,
    requestContext: { http: { method: 'POST', path: '/webhooks/pagerduty' } },
    body: ${isBase64Encoded} ? Buffer.from(body).toString('base64') : body,
    isBase64Encoded: ${isBase64Encoded},
  }
  return handler(event).then(
    ({ statusCode, body }) => [statusCode, body === undefined ? null : JSON.parse(body)],
    (error) => error.message,
  )
}
`
    expect(await deliverTo(lambda, deliver)).toEqual({
      responses: { signed: [202, null], failing: 'no such incident', ...rejections },
      handled,
    })
  })
})

test('node:http responds as PagerDuty needs it, with a 503 where the handler fails, and reads no more than a delivery', async () => {
  const node = example('docs/webhooks.md, Webhooks without Express, ts 5')
  const deliver = `
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
const url = 'http://127.0.0.1:' + (server.address() as { port: number }).port
const send = (body: string, headers: Record<string, string>) => fetch(url, { method: 'POST', headers, body })
const deliver = async (body: string, headers: Record<string, string>) => {
  const response = await send(body, headers)
  const text = await response.text()
  return [response.status, text === '' ? null : JSON.parse(text)]
}
const large = await send('a'.repeat(257 * 1024), {}).then(({ status }) => status, () => 'cut off')
if (large !== 'cut off') throw new Error('The body was read')
`
  expect(await deliverTo(node, deliver)).toEqual({
    responses: { signed: [202, null], failing: [503, null], ...rejections },
    handled,
  })
})

test('the handler of a server without Express gets known events with their data, and others without', async () => {
  const typed = example('docs/webhooks.md, The type of the event, ts')
  const bodies = [text('incident.exploded'), triggered, text('pagey.ping'), failing]
  const end = `
const deliveries: { body: string; signature: string }[] = ${JSON.stringify(bodies.map(signed))}
for (const { body, signature } of deliveries) {
  const headers = { 'X-PagerDuty-Signature': signature }
  console.log((await POST(new Request('https://acme.example/', { method: 'POST', headers, body }))).status)
}
process.exit()
`
  const code = route.code + typed.code
  const printed = await runScript(fileOf(typed), programOf({ code }, end), env)
  expect(printed).toBe('202\nÄrger\n202\n202\n202\n')
})

describeWith('nginx-light', 'openssl')('nginx that requires PagerDuty’s client certificate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'))
  const received: IncomingMessage[] = []
  let app: Server
  let nginx: Nginx
  let port: number

  /** Makes a certificate, by an issuer or by itself. */
  function make(name: string, subject: string, issuer?: string): void {
    const by = issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`]
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      `${name}.key`,
    ]
    const args = ['req', '-x509', ...key, '-subj', subject, '-days', '2', ...by, '-out', `${name}.pem`]
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }

  beforeAll(async () => {
    make('root', '/O=DigiCert/CN=Root')
    make('intermediate', '/O=DigiCert/CN=Intermediate', 'root')
    make('another root', '/O=Another/CN=Root')
    make('us', '/C=US/O=PagerDuty, Inc./CN=webhooks.pagerduty.com', 'intermediate')
    make('eu', '/C=US/O=PagerDuty, Inc./CN=webhooks.eu.pagerduty.com', 'intermediate')
    make('longer', '/O=Evil/CN=webhooks.pagerduty.com.evil.example', 'intermediate')
    make('within', '/O=CN=webhooks.pagerduty.com/CN=evil.example', 'intermediate')
    make('untrusted', '/O=PagerDuty, Inc./CN=webhooks.pagerduty.com', 'another root')
    app = createServer((req, res) => {
      received.push(req)
      res.writeHead(202).end()
    })
    await once(app.listen(0, '127.0.0.1'), 'listening')
    port = await freePort()
    const { code } = example('docs/webhooks.md, PagerDuty’s client certificate, nginx')
    const here = code
      .replace('listen 443', `listen 127.0.0.1:${port}`)
      .replace('127.0.0.1:3000', `127.0.0.1:${(app.address() as AddressInfo).port}`)
      .replace('/etc/nginx/DigiCertGlobalRootG2.crt.pem', join(folder, 'root.pem'))
      .replaceAll('/etc/nginx/hooks.example.com', join(folder, 'root'))
      .replace(/}\s*$/, 'location / { return 200; }\n}')
    nginx = await startNginx(here, '')
  })
  afterAll(async () => {
    await nginx.stop()
    app.close()
    rmSync(folder, { recursive: true })
  })

  const fileOfName = (name: string) => readFileSync(join(folder, name), 'utf8')

  async function statusOf(path: string, certificate?: string): Promise<number | undefined> {
    const own = certificate && {
      cert: fileOfName(`${certificate}.pem`) + fileOfName('intermediate.pem'),
      key: fileOfName(`${certificate}.key`),
    }
    const sent = request({
      port,
      path,
      method: 'POST',
      rejectUnauthorized: false,
      agent: false,
      ...own,
    }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    return response.statusCode
  }

  test.each([
    ['of the US region', 'us', 202],
    ['of the EU region', 'eu', 202],
    ['of a longer name', 'longer', 403],
    ['with the name in another attribute', 'within', 403],
    ['of another CA', 'untrusted', 400],
    ['that is missing', undefined, 403],
  ])('responds to a certificate %s as it should', async (_what, certificate, status) => {
    received.length = 0
    expect(await statusOf('/webhooks/pagerduty', certificate)).toBe(status)
    expect(received.map(({ headers }) => headers['x-forwarded-proto'])).toEqual(
      status === 202 ? ['https'] : [],
    )
  })

  test('lets browsers without a certificate reach other pages', async () => {
    expect(await statusOf('/')).toBe(200)
  })
})
