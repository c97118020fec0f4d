import { ConfigurationError, WebhookError, verifyWebhook } from '../../src'
import vectors from '../support/webhook-vectors.json'
import { eventText, secret, sign } from '../support/webhooks'

const body = eventText({ id: 'EVENT1' })
const headers = { 'x-pagerduty-signature': sign(body) }
const hour = 3_600_000

const refusal = (delivery: object) =>
  verifyWebhook({ body, headers, secret, ...delivery }).catch((error: unknown) => error)

afterEach(() => jest.restoreAllMocks())

test.each([
  ['text', body],
  ['bytes', Buffer.from(body)],
  ['an ArrayBuffer', new Uint8Array(Buffer.from(body)).buffer],
])('a body given as %s is verified', async (_what, given) => {
  expect(await verifyWebhook({ body: given, headers, secret })).toMatchObject({
    id: 'EVENT1',
    event_type: 'incident.triggered',
  })
})

test.each([
  ['Headers', new Headers(headers)],
  ['an object in another case', { 'X-PagerDuty-Signature': sign(body) }],
  ['an object of lists', { 'x-pagerduty-signature': [`v1=${'0'.repeat(64)}`, sign(body)] }],
])('headers given as %s are read', async (_what, given) => {
  expect(await verifyWebhook({ body, headers: given, secret })).toMatchObject({ id: 'EVENT1' })
})

test.each([
  ['a list', ['another-secret-of-16', secret]],
  ['a list as a variable has it', `another-secret-of-16,${secret}`],
  ['a function', async () => [secret]],
])('the secret may be %s', async (_what, given) => {
  expect(await verifyWebhook({ body, headers, secret: given })).toMatchObject({ id: 'EVENT1' })
})

// Secrets shorter than PagerDuty's are rejected before anything is compared.
test.each(vectors.filter((vector) => vector.secret.length >= 16))(
  'of the published vectors, $name is $expect',
  async (vector) => {
    const given = { 'x-pagerduty-signature': vector.header }
    const outcome = await refusal({
      body: vector.body,
      headers: given,
      secret: vector.secret,
      maxAge: Infinity,
    })
    const isRejected = outcome instanceof WebhookError && outcome.status === 403
    expect(isRejected).toBe(vector.expect !== 'valid')
  },
)

test.each([
  ['is not signed', { headers: {} }, 403, 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE'],

  [
    'is signed with another secret',
    { secret: 'another-secret-of-16' },
    403,
    'ERR_PAGERDUTY_WEBHOOK_SIGNATURE',
  ],
  ['was changed', { body: `${body} ` }, 403, 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE'],
  [
    'is no event',
    { body: '{}', headers: { 'x-pagerduty-signature': sign('{}') } },
    400,
    'ERR_PAGERDUTY_WEBHOOK_BODY',
  ],
  ['is too long', { body: ' '.repeat(256 * 1024 + 1) }, 413, 'ERR_PAGERDUTY_WEBHOOK_TOO_LARGE'],
])('a delivery that %s is rejected', async (_what, delivery, status, code) => {
  const error = await refusal(delivery)
  expect(error).toBeInstanceOf(WebhookError)
  expect(error).toMatchObject({ status, code })
})

test('a secret that cannot be obtained is a failure that PagerDuty retries', async () => {
  const secrets = () => Promise.reject(new Error('the vault is closed'))
  expect(await refusal({ secret: secrets })).toMatchObject({ status: 503, isTransient: true })
})

test('a secret that does not come is given up before PagerDuty hangs up', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] })
  const refused = refusal({ secret: () => new Promise<never>(() => {}) })
  await jest.advanceTimersByTimeAsync(4_000)
  expect(await refused).toMatchObject({ status: 503, code: 'ERR_PAGERDUTY_WEBHOOK_TIMEOUT' })
  jest.useRealTimers()
})

test('an event that is too old is to be acknowledged, and not handled', async () => {
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 49 * hour)
  expect(await refusal({})).toMatchObject({ status: 202, code: 'ERR_PAGERDUTY_WEBHOOK_EXPIRED' })
  expect(await refusal({ maxAge: 50 * 3600 })).toMatchObject({ id: 'EVENT1' })
})

test('an event of the future is retried', async () => {
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() - hour)
  expect(await refusal({})).toMatchObject({ status: 503, code: 'ERR_PAGERDUTY_WEBHOOK_CLOCK' })
})

test.each([
  [
    'a parsed body',
    { body: JSON.parse(body) as unknown },
    '"body" must be the body of the delivery as received',
  ],
  ['no body', { body: undefined }, '"body" must be the body of the delivery as received'],
  ['no secret', { secret: undefined }, '"secret" is required'],
  ['a secret with a newline', { secret: `${secret}\n` }, '"secret" is not what PagerDuty showed'],
  ['an age that is none', { maxAge: -1 }, '"maxAge" must be a number of seconds'],
  [
    'the name of another option',
    { webhookSecret: secret },
    '"webhookSecret" is not an option of verifyWebhook()',
  ],
])('%s is a mistake in the app', async (_what, delivery, message) => {
  const error = await refusal(delivery)
  expect(error).toBeInstanceOf(ConfigurationError)
  expect((error as Error).message).toContain(message)
})
