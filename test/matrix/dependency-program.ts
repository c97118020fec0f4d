import { type Extra, loginProgram } from './login-program'

const opentelemetry = {
  CommonJS: `const { metrics, trace } = require('@opentelemetry/api')`,
  ESM: `import { metrics, trace } from '@opentelemetry/api'`,
}

/** A refresh, a webhook and an app token besides the login, measured with OpenTelemetry. REDIS_URL or PAGERDUTY_TOKEN_STORE says where. */
const extra: Extra = {
  setUp: `
const counted = new Set()
const spans = new Set()
const instrument = (name) => ({ add: () => counted.add(name), record: () => counted.add(name), addCallback() {} })
const meter = { createCounter: instrument, createHistogram: instrument, createObservableGauge: instrument }
const span = { setAttribute() {}, setStatus() {}, end() {} }
const startActiveSpan = (name, _options, work) => (spans.add(name), work(span))
metrics.setGlobalMeterProvider({ getMeter: () => meter })
trace.setGlobalTracerProvider({ getTracer: () => ({ startActiveSpan }) })
const webhookSecret = 'a-secret-of-a-subscription'
`,
  options: `account: 'us.acme', webhookSecret,`,
  routes: `
  const delivered = []
  app.post('/webhooks/pagerduty', pd.webhook(async ({ event_type }, { fetch }) => {
    delivered.push(event_type, (await fetch('/incidents')).status)
  }))
`,
  whileLoggedIn: `
  simulator.expireTokens()
  assert.equal((await visit(url + '/incidents')).status, 200)
  assert.equal(simulator.calls.token.refresh_token, 1)

  const hook = url + '/webhooks/pagerduty'
  const delivery = await simulator.sendWebhook(hook, 'incident.triggered', { secret: webhookSecret })
  assert.equal(delivery.status, 202)
  assert.equal((await delivery.again()).status, 202)
  assert.deepEqual(delivered, ['incident.triggered', 200])
  const forged = await simulator.sendWebhook(hook, 'incident.triggered', { secret: 'the-secret-of-another-one' })
  assert.equal(forged.status, 403)
`,
  loggedOut: `
  for (const name of ['logins', 'refreshes', 'app_tokens', 'webhooks']) {
    assert.ok(counted.has('passport_pagerduty.' + name), name)
  }
  assert.ok(spans.size > 0)
`,
}

export const formats = { CommonJS: 'app.cjs', ESM: 'app.mjs' } as const
export type Format = keyof typeof formats

/** The program as a file of its kind. */
export function dependencyProgram(format: Format): string {
  return `${opentelemetry[format]}\n${loginProgram(format, extra)}`
}
