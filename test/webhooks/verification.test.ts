import type { Request } from 'express'
import { PagerDutyOAuthError, WebhookError } from '../../src/errors/errors'
import type { WebhookOptions } from '../../src/webhooks/options'
import type { AnyWebhookEvent } from '../../src/webhooks/payload'
import { isExpired, verifyDelivery } from '../../src/webhooks/verification'
import { serve, type RunningApp } from '../support/app'
import { eventText, post, secret, sign } from '../support/webhooks'

let app: RunningApp
let check: { secrets: () => Promise<readonly string[]>; verifyBearer: WebhookOptions['verifyBearer'] }
let outcome: AnyWebhookEvent | Error | undefined

beforeAll(async () => {
  app = await serve((express) => {
    express.post('/hook', async (req, res) => {
      outcome = await verifyDelivery(req, check.secrets, check.verifyBearer).catch((error: Error) => error)
      res.json('checked')
    })
  })
})
afterAll(() => app.close())
beforeEach(() => {
  check = { secrets: async () => [secret], verifyBearer: undefined }
  outcome = undefined
})

async function received(
  body = eventText(),
  headers: Record<string, string | undefined> = {},
): Promise<unknown> {
  await post(`${app.url}/hook`, body, headers)
  return outcome
}

/** What the app's own functions were asked, one after the other. */
function asked(answers: { secrets?: readonly string[]; bearer?: unknown } = {}): string[] {
  const calls: string[] = []
  check = {
    secrets: async () => {
      calls.push('secrets')
      return answers.secrets ?? [secret]
    },
    verifyBearer: async (token: string | undefined, req: Request) => {
      calls.push(`bearer ${token} at ${req.path}`)
      return (answers.bearer ?? true) as boolean
    },
  }
  return calls
}

const notSigned = { code: 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE', status: 403, isTransient: false }

describe('a delivery is believed', () => {
  test('when it is signed with one of the secrets', async () => {
    const text = eventText({ id: 'EVENT1' })
    check = { secrets: async () => ['another secret of 16', secret], verifyBearer: undefined }
    expect(await received(text)).toMatchObject({ id: 'EVENT1' })
  })

  test('not without a signature: then none of the app’s functions is called', async () => {
    const calls = asked()
    const refusal = await received(eventText(), {
      'x-pagerduty-signature': undefined,
      authorization: 'Bearer x',
    })
    expect(refusal).toMatchObject({ ...notSigned, hint: undefined })
    expect(calls).toEqual([])
  })

  test.each([
    ['of another body', sign('another body')],
    ['with another secret', undefined],
    ['that is empty', ''],
  ])('not with a signature %s, whatever its bearer token', async (_what, signature) => {
    const calls = asked({ secrets: signature === undefined ? ['another secret of 16'] : [secret] })
    const headers = {
      authorization: 'Bearer x',
      ...(signature !== undefined && { 'x-pagerduty-signature': signature }),
    }
    expect(await received(eventText(), headers)).toMatchObject({
      ...notSigned,
      hint: expect.stringContaining('the webhook secret'),
    })
    expect(calls).toEqual(['secrets'])
  })

  test('not where the app has no secret left', async () => {
    check = { secrets: async () => [], verifyBearer: undefined }
    expect(await received()).toMatchObject(notSigned)
  })

  test('not where it is signed but no event', async () => {
    expect(await received('{}')).toMatchObject({ code: 'ERR_PAGERDUTY_WEBHOOK_BODY', status: 400 })
  })

  test('not if its body is too long or compressed: then no secret is requested', async () => {
    const calls = asked()
    expect(await received('x'.repeat(256 * 1024 + 1))).toMatchObject({ status: 413 })
    expect(await received('x', { 'content-encoding': 'gzip' })).toMatchObject({ status: 415 })
    expect(calls).toEqual([])
  })
})

describe('a bearer token', () => {
  test.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER   abc', 'abc'],
    ['Bearer aZ09-._~+/==', 'aZ09-._~+/=='],
    ['Bearer', undefined],
    ['Bearerabc', undefined],
    ['Bearer =', undefined],
    ['Bearer abc def', undefined],
    ['Bearer abc=d', undefined],
    ['Bearer abc, Bearer def', undefined],
    ['Bearer a"c', undefined],
    ['Bearer\tabc', undefined],
    ['x Bearer abc', undefined],
    ['XBearer abc', undefined],
    ['Basic abc', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('in the header %j is %j to who checks it', async (authorization, token) => {
    const calls = asked()
    expect(await received(eventText(), { authorization })).toMatchObject({ event_type: 'incident.triggered' })
    expect(calls).toEqual(['secrets', `bearer ${token} at /hook`])
  })

  test('is good only if that is said in so many words', async () => {
    for (const bearer of [false, 0, 1, '', 'true', {}, [true]]) {
      asked({ bearer })
      const refusal = await received(eventText(), { authorization: 'Bearer abc' })
      expect(refusal).toBeInstanceOf(WebhookError)
      expect(refusal).toMatchObject({
        code: 'ERR_PAGERDUTY_WEBHOOK_BEARER',
        status: 401,
        headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
      })
    }
  })

  test('that is missing is requested without calling it invalid', async () => {
    asked({ bearer: false })
    expect(await received()).toMatchObject({ status: 401, headers: { 'WWW-Authenticate': 'Bearer' } })
  })
})

describe('a function of the app that fails', () => {
  const failing = async () => {
    throw Object.assign(new Error('no vault'), { status: 404 })
  }
  const retryable = { code: 'ERR_PAGERDUTY_WEBHOOK_FAILED', status: 503, isTransient: true }

  test('to give the secrets is a failure on our side, and no bad signature', async () => {
    check = { secrets: failing, verifyBearer: undefined }
    const failed = await received()
    expect(failed).toMatchObject({ ...retryable, cause: expect.objectContaining({ message: 'no vault' }) })
    expect((failed as Error).message).toContain('secret')
  })

  test('to check the bearer token is a failure on our side, and no bad token', async () => {
    check = { secrets: async () => [secret], verifyBearer: failing }
    const failed = await received()
    expect(failed).toMatchObject(retryable)
    expect((failed as Error).message).toContain('bearer')
  })

  test('with an error of this package that PagerDuty retries is reported unchanged', async () => {
    const own = new PagerDutyOAuthError('Wait', { code: 'x', status: 429 })
    check = { secrets: async () => Promise.reject(own), verifyBearer: undefined }
    expect(await received()).toBe(own)
  })
})

describe('an event', () => {
  const now = 1_900_000_000_000
  beforeEach(() => void jest.spyOn(Date, 'now').mockReturnValue(now))
  afterEach(() => jest.restoreAllMocks())

  const at = (seconds: number, maxAge: number) => {
    const occurred_at = new Date(Math.round(now + seconds * 1000))
    return isExpired(
      { occurred_at: Number.isNaN(seconds) ? undefined : occurred_at.toISOString() } as AnyWebhookEvent,
      maxAge,
    )
  }

  test('is too old beyond the age that is allowed', () => {
    expect([0, -59.999, -60, -60.001, -1e9].map((seconds) => at(seconds, 60))).toEqual([
      false,
      false,
      false,
      true,
      true,
    ])
  })

  test('is too old where it does not say how old it is', () => {
    expect(at(NaN, 60)).toBe(true)
  })

  test('is of the present up to five minutes ahead, and beyond that our clock is wrong', () => {
    expect([1, 299, 300].map((seconds) => at(seconds, 60))).toEqual([false, false, false])
    expect(() => at(300.001, 60)).toThrow(
      expect.objectContaining({ code: 'ERR_PAGERDUTY_WEBHOOK_CLOCK', status: 503 }),
    )
  })

  test('is of any age where any is allowed', () => {
    expect([0, -1e9, 1e9, NaN].map((seconds) => at(seconds, Infinity))).toEqual([false, false, false, false])
  })
})
