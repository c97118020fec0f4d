import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'
import { Redis } from 'ioredis'
import {
  APIError,
  InsufficientScopeError,
  LoginRequiredError,
  MemoryTokenStore,
  type PagerDutyOptions,
  RedisTokenStore,
  type TokenStore,
  type WebhookContext,
  type WebhookOutcome,
  pagerduty,
} from '../../src'
import { type Simulator, sendWebhook, startPagerDuty } from '../../src/testing'
import { Events } from '../../src/observability/events'
import { type EventLease, acquireEvent } from '../../src/webhooks/idempotency'
import { type RunningApp, serve } from '../support/app'
import { describeWithRedis, startRedis, watchCommands } from '../support/redis'
import { type Receiving, answerOf, eventText, gate, receive, secret, sign } from '../support/webhooks'

const open: { close(): Promise<unknown> }[] = []

async function start(...args: Parameters<typeof receive>): Promise<Receiving> {
  const made = await receive(...args)
  open.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

/** A memory store with some methods replaced. */
function storeWith(instead: Partial<TokenStore>): TokenStore {
  const store = new MemoryTokenStore()
  return {
    get: (...args) => store.get(...args),
    create: (...args) => store.create(...args),
    replace: (...args) => store.replace(...args),
    delete: (...args) => store.delete(...args),
    ...instead,
  }
}

describe('a handler that fails', () => {
  const api = (httpStatus: number) => new APIError('PagerDuty said no', { httpStatus })
  test.each<[string, () => unknown]>([
    [
      'throws at once',
      () => {
        throw new Error('private')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('private'))],
    [
      'throws a text',
      () => {
        throw 'private' as unknown as Error
      },
    ],
    ['rejects with nothing', async () => Promise.reject(undefined as unknown as Error)],
    [
      'meets a 404 of PagerDuty’s API',
      () => {
        throw api(404)
      },
    ],
    [
      'meets a 403 of PagerDuty’s API',
      () => {
        throw api(403)
      },
    ],
    [
      'meets a missing scope',
      () => {
        throw new InsufficientScopeError(['a'], ['a'])
      },
    ],
    [
      'needs a login',
      () => {
        throw new LoginRequiredError()
      },
    ],
    [
      'meets an error with a status of its own',
      () => {
        throw Object.assign(new Error(), { status: 422 })
      },
    ],
  ])('because it %s has its event delivered and handled again', async (_what, fail) => {
    let calls = 0
    const app = await start({}, () => (++calls === 1 ? fail() : undefined))
    const first = await app.send()
    expect([first.status, first.headers.get('retry-after')]).toEqual([503, '5'])
    expect(first.body).not.toMatch(/private|PagerDuty said/)
    expect(app.outcomes).toEqual([
      expect.objectContaining({ outcome: 'failed', status: 503, error: expect.any(Error) }),
    ])
    expect((await first.again()).status).toBe(202)
    expect((await first.again()).status).toBe(202)
    expect(app.outcomes.map(({ outcome }) => outcome)).toEqual(['failed', 'handled', 'duplicate'])
    expect(calls).toBe(2)
  })

  test('keeps what PagerDuty’s rate limit says', async () => {
    const app = await start({}, () => {
      throw new APIError('slow down', { httpStatus: 429, retryAfter: 42 })
    })
    const { status, headers } = await app.send()
    expect([status, headers.get('retry-after')]).toEqual([503, '42'])
  })

  test('is reported with its reason', async () => {
    const app = await start({}, () => {
      throw new Error('the database is away')
    })
    const { deliveryID } = await app.send({ id: 'event-1', event_type: 'incident.resolved' })
    expect(app.outcomes).toEqual([
      expect.objectContaining({
        receiver: 'webhook',
        eventID: 'event-1',
        eventType: 'incident.resolved',
        deliveryID,
        error: expect.objectContaining({
          cause: expect.objectContaining({ message: 'the database is away' }),
        }),
      }),
    ])
  })

  test('gets its response once its event is free for the next delivery', async () => {
    const store = new MemoryTokenStore()
    const tokenStore = storeWith({
      create: (...args) => store.create(...args),
      delete: async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, 200))
        return store.delete(...args)
      },
    })
    let calls = 0
    const app = await start({ tokenStore }, () => {
      if (++calls === 1) throw new Error('private')
    })
    const first = await app.send()
    expect([first.status, (await first.again()).status]).toEqual([503, 202])
  })

  test('while its lease cannot be released never gets a 202', async () => {
    const frozen = () =>
      new Promise<boolean>((_, reject) => setTimeout(() => reject(new Error('frozen')), 900))
    const fail = gate()
    const app = await start({ tokenStore: storeWith({ delete: frozen }), timeout: 300 }, () => fail.promise)
    setTimeout(() => fail.fail(new Error('private')), 200)
    expect((await app.send()).status).toBe(503)
  })
})

describe('a handler that hangs', () => {
  test('gets its 202 in time, and is reported when it fails later', async () => {
    const hanging = gate()
    const app = await start({}, () => hanging.promise)
    const startedAt = performance.now()
    const first = await app.send()
    const took = performance.now() - startedAt
    process.stdout.write(`      answer to a hanging handler: ${took.toFixed(0)} ms\n`)
    expect(first.status).toBe(202)
    expect(took).toBeGreaterThan(3_000)
    expect(took).toBeLessThan(5_000)
    expect(app.outcomes).toEqual([])
    const redelivered = await first.again()
    expect([redelivered.status, redelivered.headers.get('retry-after')]).toEqual([503, '15'])
    const outcome = app.nextOutcome()
    hanging.fail(new Error('at last'))
    expect(await outcome).toMatchObject({
      outcome: 'failed',
      status: 202,
      error: { cause: { message: 'at last' } },
    })
  })

  test('is no duplicate until it has finished', async () => {
    const slow = gate()
    const app = await start({ timeout: 50 }, () => slow.promise)
    const first = await app.send()
    expect([first.status, (await first.again()).status]).toEqual([202, 503])
    const outcome = app.nextOutcome()
    slow.open()
    expect(await outcome).toMatchObject({ outcome: 'handled', status: 202 })
    expect((await first.again()).status).toBe(202)
    expect(app.outcomes.map((one) => one.outcome)).toEqual(['inProgress', 'handled', 'duplicate'])
    expect(app.handled).toHaveLength(1)
  })

  test('and fails after its response leaves its event free', async () => {
    const slow = gate()
    const app = await start({ timeout: 0 }, () => slow.promise)
    const first = await app.send()
    const outcome = app.nextOutcome()
    slow.fail(new Error('late'))
    expect(await outcome).toMatchObject({ outcome: 'failed' })
    await first.again()
    expect(app.handled).toHaveLength(2)
  })
})

describe('an event', () => {
  test('that is delivered a hundred times at once is handled once', async () => {
    const app = await start({}, () => new Promise((resolve) => setTimeout(resolve, 50)))
    const first = app.send({ id: 'one', event_type: 'incident.triggered' })
    const rest = Array.from({ length: 99 }, () => app.send({ id: 'one', event_type: 'incident.triggered' }))
    const statuses = (await Promise.all([first, ...rest])).map(({ status }) => status)
    expect(statuses.filter((status) => ![202, 503].includes(status))).toEqual([])
    expect(app.handled).toHaveLength(1)
  })

  test('is handled once by each receiver that has a name of its own', async () => {
    const tokenStore = new MemoryTokenStore()
    const one = await start({ tokenStore, name: 'one' })
    const two = await start({ tokenStore, name: 'two' })
    const other = await start({ tokenStore, name: 'two' })
    for (const app of [one, two, other]) await app.send({ id: 'shared', event_type: 'incident.triggered' })
    expect([one, two, other].map(({ handled }) => handled.length)).toEqual([1, 1, 0])
    expect(other.outcomes.map(({ outcome }) => outcome)).toEqual(['duplicate'])
  })

  test('is remembered as long as a replay of it would be fresh', async () => {
    const lives: (number | undefined)[] = []
    const store = new MemoryTokenStore()
    const watch = storeWith({
      create: (...args) => store.create(...args),
      replace: (key, expected, value, ttl) => {
        if (expected !== value) lives.push(ttl)
        return store.replace(key, expected, value, ttl)
      },
    })
    for (const maxAge of [undefined, 600, 7 * 86_400]) {
      const app = await start({ tokenStore: watch, maxAge, name: `at-${maxAge}` })
      await app.send()
    }
    const hour = 3_600_000
    expect(lives).toEqual([49 * hour, (600 + 45 * 60) * 1000, (7 * 24 + 0.75) * hour])
  })

  test('that is handled or failed is left alone: no lease is renewed any more', async () => {
    const store = new MemoryTokenStore()
    const replace = jest.spyOn(store, 'replace')
    jest.useFakeTimers()
    try {
      const records = { store, retention: 60_000, events: new Events() }
      const acquire = async (key: string) => (await acquireEvent(records, key, 1_000)) as EventLease
      const [one, two] = [await acquire('one'), await acquire('two')]
      await jest.advanceTimersByTimeAsync(6_000)
      expect(replace).toHaveBeenCalledTimes(2)
      await one.markHandled()
      await two.release()
      await jest.advanceTimersByTimeAsync(30_000)
      expect(replace).toHaveBeenCalledTimes(3)
    } finally {
      jest.useRealTimers()
    }
  })

  test('whose lease ended while its process was frozen is marked all the same', async () => {
    const store = new MemoryTokenStore()
    const app = await start(
      { tokenStore: store },
      async () => void (await store.delete('webhook:webhook frozen')),
    )
    const first = await app.send({ id: 'frozen', event_type: 'incident.triggered' })
    await first.again()
    expect(app.outcomes.map(({ outcome }) => outcome)).toEqual(['handled', 'duplicate'])
  })
})

describe('a store that fails', () => {
  const failing = async () => Promise.reject(new Error('store: a secret connection text'))

  test.each<[string, Partial<TokenStore>]>([
    ['cannot give a lease', { create: failing, delete: failing }],
    ['cannot tell who holds the lease', { create: async () => false, get: failing, delete: failing }],
    ['never answers', { create: () => new Promise<boolean>(() => {}) }],
  ])('that %s has the event delivered again', async (_what, instead) => {
    const app = await start({ tokenStore: storeWith(instead) })
    const startedAt = performance.now()
    const { status, body } = await app.send({ id: 'x', event_type: 'incident.triggered' })
    expect(status).toBe(503)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(body).not.toContain('connection text')
    expect(app.handled).toEqual([])
    expect(app.outcomes).toEqual([expect.objectContaining({ outcome: 'failed', eventID: 'x' })])
  })

  test('that gives a lease after the deadline gets it back', async () => {
    const store = new MemoryTokenStore()
    const slow = gate()
    let isSlow = true
    const app = await start({
      tokenStore: storeWith({
        get: (...args) => store.get(...args),
        create: async (...args) => {
          if (isSlow) await slow.promise
          return store.create(...args)
        },
        replace: (...args) => store.replace(...args),
        delete: (...args) => store.delete(...args),
      }),
    })
    const first = await app.send()
    expect(first.status).toBe(503)
    isSlow = false
    slow.open()
    expect((await first.again()).status).toBe(202)
    expect(app.handled).toHaveLength(1)
  })

  test('after the handler succeeded undoes nothing, and is reported', async () => {
    const app = await start({ tokenStore: storeWith({ replace: failing }) })
    expect((await app.send()).status).toBe(202)
    expect(app.outcomes.map(({ outcome }) => outcome)).toEqual(['handled'])
    expect(app.warnings).toEqual(['replace() of the token store failed: Error'])
  })
})

describeWithRedis('over Redis', () => {
  test('a frozen Redis is a quick 503 and never a 4xx, before, during and after the handler', async () => {
    const server = await startRedis()
    const redis = new Redis(server.url)
    redis.on('error', () => {})
    const app = await start({ tokenStore: new RedisTokenStore(redis) }, (event) => {
      if (event.event_type === 'incident.resolved') server.freeze()
    })
    const timed = async (send: () => Promise<{ status: number }>) => {
      const startedAt = performance.now()
      const { status } = await send()
      return { status, isQuick: performance.now() - startedAt < 5_000 }
    }
    try {
      expect(await timed(() => app.send())).toEqual({ status: 202, isQuick: true })
      expect(await timed(() => app.send('incident.resolved'))).toEqual({ status: 202, isQuick: true })
      const answers = await Promise.all(Array.from({ length: 20 }, () => timed(() => app.send())))
      expect(answers).toEqual(Array(20).fill({ status: 503, isQuick: true }))
      expect((await app.send('incident.triggered', { signature: 'v1=' })).status).toBe(403)
      server.thaw()
      expect(await timed(() => app.send())).toEqual({ status: 202, isQuick: true })
    } finally {
      redis.disconnect()
      await server.stop()
    }
  })

  test('a handled event costs two commands, and leaves one short key for 49 hours', async () => {
    const server = await startRedis()
    const redis = new Redis(server.url)
    try {
      const sent: string[] = []
      watchCommands(redis, (name = '') => sent.push(name))
      const app = await start({ tokenStore: new RedisTokenStore(redis) })
      await app.send()
      expect(sent).toEqual(['set', 'eval'])
      const keys = await redis.keys('*')
      expect(keys).toEqual([expect.stringMatching(/^pagerduty:webhook:\{webhook [\w-]{36}\}$/)])
      expect(await redis.pttl(keys[0] as string)).toBeGreaterThan(48.9 * 3_600_000)
    } finally {
      redis.disconnect()
      await server.stop()
    }
  })
})

describe('pd.webhook', () => {
  let simulator: Simulator

  beforeAll(async () => {
    simulator = await startPagerDuty()
  })
  afterAll(() => simulator.close())

  function make(options: PagerDutyOptions = {}) {
    return pagerduty({
      ...simulator.options(),
      scope: 'incidents.read',
      callbackURL: 'http://localhost/auth/pagerduty/callback',
      account: 'us.acme',
      webhookSecret: secret,
      logger: { warn: () => {} },
      ...options,
    })
  }

  async function mount(
    pd: ReturnType<typeof make>,
    ...args: Parameters<typeof pd.webhook>
  ): Promise<RunningApp> {
    const app = await serve((on) => void on.use(pd.auth()).post('/hook', pd.webhook(...args)))
    open.push({ close: async () => Promise.all([app.close(), pd.close()]) })
    return app
  }

  test('lets a handler add a note to the incident, as the app', async () => {
    let context: WebhookContext | undefined
    const pd = make({ appScope: 'incidents.read incidents.write' })
    const app = await mount(pd, async (event, given) => {
      context = given
      const path = `/incidents/${(event.data as { id: string }).id}/notes`
      const body = JSON.stringify({ note: { content: 'Seen' } })
      const added = await given.fetch(path, {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/json' },
      })
      if (added.status !== 201) throw new Error(await added.text())
    })
    const { status, event, deliveryID } = await simulator.sendWebhook(
      `${app.url}/hook`,
      'incident.triggered',
      {
        secret,
      },
    )
    expect(status).toBe(202)
    const notes = await pd.appTokens.fetch(`/incidents/${String(event.data?.['id'])}/notes`)
    expect(await notes.json()).toEqual({ notes: [expect.objectContaining({ content: 'Seen' })] })
    expect(context).toMatchObject({ deliveryID, subscriptionID: 'PSUBSCR', request: { method: 'POST' } })
    expect((await context?.getToken())?.scope).toEqual([
      'as_account-us.acme',
      'incidents.read',
      'incidents.write',
    ])
    expect((await context?.getToken('users.read'))?.scope).toEqual(['as_account-us.acme', 'users.read'])
    expect((await context?.getToken('users.read', { account: 'eu.globex' }))?.scope[0]).toBe(
      'as_account-eu.globex',
    )
  })

  test('has scopes and an account of its own where it is given them', async () => {
    const scopes: (readonly string[])[] = []
    const addresses: (string | undefined)[] = []
    const pd = make()
    const app = await mount(
      pd,
      async (_event, { fetch, getToken }) => {
        scopes.push((await getToken()).scope)
        const { services } = (await (await fetch('/services')).json()) as { services: { html_url: string }[] }
        addresses.push(services[0]?.html_url)
      },
      { appScope: 'services.read', account: 'eu.globex' },
    )
    expect((await sendWebhook(`${app.url}/hook`, 'service.updated', { secret })).status).toBe(202)
    expect(scopes).toEqual([['as_account-eu.globex', 'services.read']])
    expect(addresses).toEqual([expect.stringContaining('https://globex.eu.pagerduty.com/')])
  })

  test('sends no token to an address that an event names', async () => {
    const errors: unknown[] = []
    const pd = make()
    const app = await mount(pd, async (event, { fetch }) => {
      const { self } = event.data as { self: string }
      await fetch(self).catch((error: unknown) => errors.push(error))
    })
    simulator.resetCalls()
    const data = { self: 'http://169.254.169.254/latest/meta-data' }
    await sendWebhook(`${app.url}/hook`, { event_type: 'incident.triggered', data }, { secret })
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_PAGERDUTY_FOREIGN_URL' })])
    expect(simulator.calls.token.client_credentials).toBe(0)
  })

  test('in a Classic app handles events that need no app token, and says why there is none', async () => {
    const outcomes: WebhookOutcome[] = []
    const pd = make({ appType: 'classic', scope: 'read', appScope: 'read' }).on(
      'webhook',
      (one) => void outcomes.push(one),
    )
    const app = await mount(pd, async (event, { getToken }) => {
      if (event.event_type === 'incident.resolved') await getToken()
    })
    expect((await sendWebhook(`${app.url}/hook`, 'incident.triggered', { secret })).status).toBe(202)
    expect((await sendWebhook(`${app.url}/hook`, 'incident.resolved', { secret })).status).toBe(500)
    expect(outcomes.map(({ outcome, error }) => [outcome, error?.message])).toEqual([
      ['handled', undefined],
      ['failed', expect.stringContaining('Scoped apps only')],
    ])
  })

  test('is rejected without a secret, and if two would share a name', async () => {
    const none = make({ webhookSecret: '' })
    expect(() => none.webhook(() => {})).toThrow('"webhookSecret" is required: ')
    expect(() => none.webhook(() => {}, { name: 'globex' })).toThrow(
      '"webhookSecret" is required for "globex": ',
    )
    const pd = make()
    pd.webhook(() => {})
    expect(() => pd.webhook(() => {})).toThrow('"name" is "webhook" for two webhooks')
    expect(pd.webhook(() => {}, { name: 'other' })).toBeInstanceOf(Function)
    await Promise.all([none.close(), pd.close()])
  })

  test('does not pass its responses to the onError for users', async () => {
    const pd = make({ onError: (_error, _req, res) => res.redirect('/login') })
    const app = await mount(pd, () => {
      throw new Error('private')
    })
    expect((await sendWebhook(`${app.url}/hook`, 'incident.triggered', { secret })).status).toBe(503)
  })

  test('finishes what runs when it is closed, and starts nothing more', async () => {
    const pd = make()
    const slow = gate()
    const order: string[] = []
    const app = await mount(
      pd,
      async (_event, { getToken }) => {
        await slow.promise
        // What it needs still works.
        order.push((await getToken()).accessToken.slice(0, 4))
      },
      { timeout: 0 },
    )
    expect((await sendWebhook(`${app.url}/hook`, 'incident.triggered', { secret })).status).toBe(202)
    const closed = pd.close().then(() => order.push('closed'))
    const refused = await sendWebhook(`${app.url}/hook`, 'incident.resolved', { secret })
    expect([refused.status, refused.headers.get('connection')]).toEqual([503, 'close'])
    slow.open()
    await closed
    expect(order).toEqual(['pdus', 'closed'])
  })

  test('does not start a delivery whose lease is acquired while it closes', async () => {
    const asked = gate()
    const acquired = gate()
    const store = new MemoryTokenStore()
    const tokenStore = storeWith({
      create: async (...args) => {
        asked.open()
        await acquired.promise
        return store.create(...args)
      },
      delete: (...args) => store.delete(...args),
    })
    const app = await start({ tokenStore })
    const sent = app.send({ id: 'late', event_type: 'incident.triggered' })
    await asked.promise
    await app.receiver.close()
    acquired.open()
    expect((await sent).status).toBe(503)
    expect(app.handled).toEqual([])
    expect(await store.get('webhook:webhook late')).toBeUndefined()
  })

  test('asks its store nothing when it has been closed', async () => {
    const create = jest.fn(async () => true)
    const app = await start({ tokenStore: storeWith({ create }) })
    await app.receiver.close()
    expect((await app.send()).status).toBe(503)
    expect(create).not.toHaveBeenCalled()
  })

  test('gives up on handlers that hang when it is closed', async () => {
    const hanging = gate()
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance', 'nextTick', 'queueMicrotask'] })
    try {
      const app = await start({ timeout: 0 }, () => hanging.promise)
      const sent = app.send()
      const answered = sent.then(({ status }) => status)
      while (app.handled.length === 0) await new Promise(setImmediate)
      await jest.advanceTimersByTimeAsync(10)
      expect(await answered).toBe(202)
      const closed = app.receiver.close()
      await jest.advanceTimersByTimeAsync(10_000)
      await expect(closed).resolves.toBeUndefined()
    } finally {
      hanging.open()
      jest.useRealTimers()
    }
  })
})

test('a thousand deliveries on one connection leave no listeners', async () => {
  const sockets = new Set<Socket>()
  const app = await start({}, undefined, (on, receiver) => {
    on.use((req, _res, next) => {
      sockets.add(req.socket)
      next()
    })
    on.post('/hook', receiver)
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const send = async (text: string) => {
    const headers = { 'content-type': 'application/json', 'x-pagerduty-signature': sign(text) }
    const sent = request(app.path, { agent, method: 'POST', headers })
    sent.end(text)
    return (await answerOf(sent)).status
  }
  const listeners = () =>
    [...sockets].map((socket) => socket.eventNames().map((name) => [name, socket.listenerCount(name)]))
  const statuses = new Set<number>()
  for (let index = 0; index < 100; index++) statuses.add(await send(eventText()))
  const before = listeners()
  for (let index = 0; index < 900; index++)
    statuses.add(await send(index % 3 === 0 ? `${eventText()} x` : eventText()))
  statuses.add(await send(eventText()))
  expect(listeners()).toEqual(before)
  expect(sockets.size).toBe(1)
  expect(statuses).toEqual(new Set([202, 400]))
  agent.destroy()
})
