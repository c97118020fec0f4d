import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { FaultServer } from '../support/fault-server'
import { answerOf, eventOfSize, eventText, open, post, secret, sign } from '../support/webhooks'
import { type InConfiguration, dropIns, forEachConfiguration } from './support/configurations'
import { rawRequest, requestHead } from './support/raw-request'
import type { Victim } from './support/start-victim'

const second = 'the-second-secret-while-it-is-being-rotated'
const started = { victim: { options: { webhookSecret: [secret, second], account: 'us.acme' } } }
const receivers = ['/webhook', '/hooks', '/hooks/kept', '/hooks/bearer']
const limit = 256 * 1024

/** An event of which the handler is to do something; see victim-webhooks. */
function asking(title: string, data: Record<string, unknown> = {}): string {
  return eventText({ data: { id: 'PINCID1', type: 'incident', title, ...data } })
}

/** Posts a delivery to the receiver, signed unless the headers say otherwise. */
function deliver(victim: Victim, body: string | Uint8Array, headers = {}, path = '/hooks') {
  return post(victim.url + path, body, headers)
}

function signedHead(path: string, body: string, headers: Record<string, string> = {}): string {
  return requestHead('POST', path, {
    'Content-Type': 'application/json',
    'X-PagerDuty-Signature': sign(body),
    ...headers,
  })
}

/** How often handlers ran while something was done. */
async function handledDuring({ victim }: InConfiguration, work: () => Promise<unknown>): Promise<number> {
  const before = await victim.handled()
  await work()
  return (await victim.handled()) - before
}

forEachConfiguration(
  dropIns,
  (app) => {
    test('W1: only the bytes as they came have the signature, and a receiver behind a parser says what is wrong', async () => {
      const { victim } = app
      const [, id] = /("id":"[^"]+")/.exec(eventText()) as unknown as [string, string]
      const texts = [
        eventText({ data: { title: 'é' } }).replace('é', '\\u00e9'),
        eventText({ data: { title: 'é ☃ 😀' } }),
        eventText({ data: { cost: 'NUMBER' } }).replace('"NUMBER"', '1.0'),
        eventText({ data: { cost: 'NUMBER' } }).replace('"NUMBER"', '12345678901234567890'),
        `{"event":{"data":{"b":1,"a":2},${id},"event_type":"incident.triggered","occurred_at":"${new Date().toISOString()}"}}`,
        `\ufeff${eventText()}`,
        `${eventText()}\n`,
      ]
      const handled = await handledDuring(app, async () => {
        for (const text of texts) {
          for (const path of ['/hooks', '/hooks/kept']) {
            // This parser does not know the mark.
            if (text.startsWith('\ufeff') && path === '/hooks/kept') continue
            const rewritten = `${JSON.stringify(JSON.parse(text.replace('\ufeff', '')))} `
            const forged = await deliver(victim, rewritten, { 'x-pagerduty-signature': sign(text) }, path)
            const genuine = await deliver(victim, text, {}, path)
            expect({ text, path, statuses: [forged.status, genuine.status] }).toEqual({
              text,
              path,
              statuses: [403, 202],
            })
          }
        }
      })
      expect(handled).toBe(2 * texts.length - 1)
      const parsed = await deliver(victim, eventText(), {}, '/hooks/parsed')
      expect([parsed.status, parsed.body]).toEqual([500, expect.not.stringContaining('express')])
      // To whom it may concern, and by another way.
      while (!victim.output.includes('before express.json()'))
        await new Promise((resolve) => setTimeout(resolve, 10))
    })

    test('W2: an invalid signature is rejected, whatever it is made of, and does no harm', async () => {
      const { victim } = app
      const text = eventText()
      const good = sign(text).slice(3)
      const answers: unknown[] = []
      const handled = await handledDuring(app, async () => {
        for (const signature of [
          '',
          ' ',
          'v1',
          'v1=',
          'v1=,',
          ',,,,',
          'v1=abc',
          `v1=${good.slice(1)}`,
          `v1=${good}0`,
          `v1=${good}x`,
          `V1=${good}`,
          `v1 =${good}`,
          `v1= ${good}`,
          `v1==${good}`,
          `v2=${good}`,
          `v01=${good}`,
          good,
          `sha256=${good}`,
          `Bearer v1=${good}`,
          `v1=${good};`,
          `v1=${good} v1=${good}`,
          `v1=${good};v1=${good}`,
          `"v1=${good}"`,
          `v1=${Buffer.from(good, 'hex').toString('base64')}`,
          `v1=0x${good}`,
          `v1=${'g'.repeat(64)}`,
          `v1=${'é'.repeat(64)}`,
          `v1=${'\u00ff'.repeat(32)}`,
          `v1=${good.slice(0, 63)}é`,
          '{"v1":"x"}',
          '__proto__',
          'constructor=prototype',
          'undefined',
          `v1=${'0'.repeat(8_000)}`,
          `${'v1=,'.repeat(1_000)}`,
          `${'v1=0,'.repeat(25)}v1=${good}`,
        ]) {
          const answer = await deliver(victim, text, { 'x-pagerduty-signature': signature })
          if (answer.status !== 403) answers.push({ signature, status: answer.status })
        }
        // What no client lets through.
        for (const signature of [`v1=${'\0'.repeat(64)}`, 'x'.repeat(100_000), `v1=a\r\n folded`]) {
          const head = signedHead('/hooks', text, {
            'X-PagerDuty-Signature': signature,
            'Content-Length': String(text.length),
          })
          const { statuses } = await rawRequest(victim.url, head + text)
          // A connection that is cut off before all is sent may lose the response.
          if (![400, 403, 431, undefined].includes(statuses[0])) answers.push({ signature, statuses })
        }
      })
      expect([answers, handled]).toEqual([[], 0])
      expect((await deliver(victim, text)).status).toBe(202)
    })

    test('W3: one good signature among others is enough, of either secret and in either of two lines', async () => {
      const { victim } = app
      const bad = `v1=${'0'.repeat(64)}`
      const lists: ((text: string) => string | string[])[] = [
        (text) => `${bad},${sign(text)}`,
        (text) => `${sign(text)},${bad}`,
        (text) => `v2=x,${sign(text)}`,
        (text) => ` ${bad} , ${sign(text)} `,
        (text) => `${sign(text)},${sign(text, second)}`,
        (text) => sign(text, second),
        (text) => [bad, sign(text)],
        (text) => `${`${bad},`.repeat(19)}${sign(text)}`,
        (text) => sign(text).toUpperCase().replace('V1', 'v1'),
      ]
      const handled = await handledDuring(app, async () => {
        for (const list of lists) {
          const text = eventText()
          const { status } = await deliver(victim, text, { 'x-pagerduty-signature': list(text) })
          expect({ list: list(text), status }).toEqual({ list: list(text), status: 202 })
        }
      })
      expect(handled).toBe(lists.length)
    })

    test('W4, W5: a delivery that is not signed, or not with a secret of the app, is rejected before its body is read', async () => {
      const { victim } = app
      const text = eventText()
      const handled = await handledDuring(app, async () => {
        for (const path of receivers) {
          const unsigned = await deliver(victim, text, { 'x-pagerduty-signature': undefined }, path)
          const keys = ['', ' ', 'undefined', 'null', 'secret', `${secret},${second}`, `${secret}\n`, 'v1']
          const answers = await Promise.all(
            keys.map((key) => deliver(victim, text, { 'x-pagerduty-signature': sign(text, key) }, path)),
          )
          // The key is the secret's text, not what it decodes to.
          for (const encoding of ['hex', 'base64'] as const) {
            const key = Buffer.from(secret, encoding).toString('latin1')
            answers.push(await deliver(victim, text, { 'x-pagerduty-signature': sign(text, key) }, path))
          }
          expect({ path, statuses: [unsigned, ...answers].map(({ status }) => status) }).toEqual({
            path,
            statuses: Array(11).fill(403),
          })
          expect(unsigned.body).not.toMatch(/subscription|PAGERDUTY_WEBHOOK_SECRET|\.js:/)
        }
        // Nothing of the body has been sent, and nothing is waited for.
        const head = requestHead('POST', '/hooks', { 'Content-Length': '1000' })
        expect((await rawRequest(victim.url, head)).statuses).toEqual([403])
      })
      expect(handled).toBe(0)
    })

    test('W6: 256 KB are taken and no byte more, whatever the length says', async () => {
      const { victim } = app
      const whole = eventOfSize(limit)
      const over = eventOfSize(limit + 1)
      const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' }
      const handled = await handledDuring(app, async () => {
        const answers = await Promise.all([
          deliver(victim, whole),
          deliver(victim, eventOfSize(limit), chunked),
          deliver(victim, over),
          deliver(victim, over, chunked),
          deliver(victim, eventOfSize(600 * 1024)),
          deliver(victim, eventOfSize(600 * 1024), chunked),
        ])
        expect(answers.map(({ status }) => status)).toEqual([202, 202, 413, 413, 413, 413])
        const text = eventText()
        for (const [length, rest, expected] of [
          // Cut there: not what was signed. Node may find the rest to be no request before.
          [String(text.length - 10), text, [400, 403]],
          [String(2 ** 30), '', [413]],
          ['-1', text, [400]],
          ['1e3', text, [400]],
          [`${text.length}, ${text.length}`, text, [400]],
          [`${text.length}\r\nContent-Length: 1`, text, [400]],
          [`${text.length}\r\nTransfer-Encoding: chunked`, text, [400]],
          ['0\r\nTransfer-Encoding: chunked', `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`, [400]],
        ] as [string, string, number[]][]) {
          const head = signedHead('/hooks', text, { 'Content-Length': length })
          const { statuses } = await rawRequest(victim.url, head + rest)
          expect({ length, isExpected: expected.includes(statuses[0] as number), statuses }).toMatchObject({
            length,
            isExpected: true,
          })
        }
      })
      expect(handled).toBe(2)
    })

    test('W7: what is compressed is not inflated, whatever was signed', async () => {
      const { victim } = app
      const text = eventText()
      const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024))
      const handled = await handledDuring(app, async () => {
        for (const [encoding, body] of [
          ['gzip', gzipSync(text)],
          ['GZIP', gzipSync(text)],
          ['x-gzip', gzipSync(text)],
          ['br', brotliCompressSync(text)],
          ['deflate', gzipSync(text)],
          ['identity, gzip', gzipSync(text)],
          ['gzip, gzip', gzipSync(gzipSync(text))],
          ['gzip', bomb],
          ['nonsense', Buffer.from(text)],
        ] as [string, Buffer][]) {
          for (const signature of [sign(text), sign(body)]) {
            const headers = { 'content-encoding': encoding, 'x-pagerduty-signature': signature }
            expect([encoding, (await deliver(victim, body, headers)).status]).toEqual([encoding, 415])
          }
        }
      })
      expect(handled).toBe(0)
    })

    test('W8, W9: each delivery gets the response that keeps the subscription alive', async () => {
      const { victim } = app
      const now = Date.now()
      const ago = (hours: number) => new Date(now - hours * 3_600_000).toISOString()
      const deliveries: [string, string, number, number][] = [
        ['a handler that is through', asking('slow'), 202, 1],
        ['one that hangs', asking('hang'), 202, 1],
        ['one that throws', asking('throw'), 503, 1],
        ['one that throws when it has been answered', asking('throw late'), 202, 1],
        ['a type that nobody knows', eventText({ event_type: 'incident.exploded' }), 202, 0],
        ['a test delivery', eventText({ event_type: 'pagey.ping' }), 202, 0],
        ['W12: an event of 49 hours ago', eventText({ occurred_at: ago(49) }), 202, 0],
        ['W12: one of 48 hours ago', eventText({ occurred_at: ago(48) }), 202, 1],
        ['W12: one that does not say when', eventText({ occurred_at: undefined }), 202, 0],
        ['W12: one that says it wrongly', eventText({ occurred_at: 'yesterday' }), 202, 0],
        ['W12: one of the future', eventText({ occurred_at: ago(-1) }), 503, 0],
      ]
      for (const [what, text, status, times] of deliveries) {
        let answered = 0
        const handled = await handledDuring(app, async () => {
          answered = (await deliver(victim, text)).status
        })
        expect({ what, answered, handled }).toEqual({ what, answered: status, handled: times })
      }
      // What failed comes again, and what is through does not run again.
      const again = await handledDuring(app, async () => {
        for (const [what, text, status] of deliveries.slice(0, 3))
          expect({ what, status: (await deliver(victim, text)).status }).toEqual({
            what,
            status: what === 'one that hangs' ? 503 : status,
          })
      })
      expect(again).toBe(1)
    })

    test('W10: one event in many deliveries at once, each with an id of its own, is handled once', async () => {
      const { victim, redis } = app
      const victims = redis === undefined ? [victim] : [victim, await app.another()]
      const text = asking('slow')
      const send = (count: number) =>
        Promise.all(
          Array.from({ length: count }, async (_, index) => {
            const to = victims[index % victims.length] as Victim
            return (await deliver(to, text, { 'x-webhook-id': `delivery-${index}` })).status
          }),
        )
      const before = await Promise.all(victims.map((one) => one.handled()))
      const statuses = new Set(await send(50))
      expect([...statuses].filter((status) => status !== 202 && status !== 503)).toEqual([])
      expect(new Set(await send(10))).toEqual(new Set([202]))
      const after = await Promise.all(victims.map((one) => one.handled()))
      const times = after.map((count, index) => count - (before[index] as number))
      expect(times.reduce((sum, count) => sum + count)).toBe(1)
    })

    test('W15: a bearer token does not make up for a signature, nor the other way round', async () => {
      const { victim } = app
      const right = { authorization: 'Bearer the-right-token' }
      const forged = { 'x-pagerduty-signature': sign('something else') }
      const handled = await handledDuring(app, async () => {
        for (const [headers, status, challenge] of [
          [{}, 401, 'Bearer'],
          [{ authorization: 'Bearer a-wrong-token' }, 401, 'Bearer error="invalid_token"'],
          [{ authorization: 'Basic the-right-token' }, 401, 'Bearer'],
          [{ authorization: 'the-right-token' }, 401, 'Bearer'],
          [{ authorization: 'Bearer the-right-token x' }, 401, 'Bearer'],
          [{ ...right, ...forged }, 403, undefined],
          [forged, 403, undefined],
          [right, 202, undefined],
        ] as const) {
          const answer = await deliver(victim, eventText(), headers, '/hooks/bearer')
          expect({ headers, status: answer.status, challenge: answer.headers['www-authenticate'] }).toEqual({
            headers,
            status,
            challenge,
          })
        }
      })
      expect(handled).toBe(1)
    })

    test('W16: an address that an event brings gets no token of the app', async () => {
      const { victim, simulator } = app
      const elsewhere = await FaultServer.start()
      const call = async (self: string) =>
        (await deliver(victim, asking('call', { self }), {}, '/hooks/call')).status
      for (const self of [
        elsewhere.url,
        `//${new URL(elsewhere.url).host}/incidents`,
        'http://169.254.169.254/latest/meta-data/',
        `${simulator.url}@${new URL(elsewhere.url).host}/`,
        'https://api.pagerduty.com.evil.example/',
      ]) {
        // No 4xx: the event is PagerDuty's, and it is not lost.
        expect([self, await call(self)]).toEqual([self, 500])
      }
      simulator.failNext('api', { status: 307, headers: { Location: elsewhere.url }, body: '' })
      expect(await call(`${simulator.url}/incidents`)).toBe(502)
      expect([elsewhere.requests, simulator.calls.api]).toEqual([[], 1])
      expect(await call(`${simulator.url}/incidents`)).toBe(202)
      await elsewhere.close()
    })

    test('W17: a signed body that is not an event is rejected, and one with evil members changes nothing', async () => {
      const { victim } = app
      const bodies = [
        '',
        'null',
        '1',
        '"event"',
        '[]',
        '{}',
        '{"event":null}',
        '{"event":[]}',
        '{"event":{}}',
        '{"event":{"id":1,"event_type":"incident.triggered","data":{}}}',
        '{"event":{"id":"a","event_type":"incident.triggered"}}',
        '{"event":{"id":"a\\n","event_type":"incident.triggered","data":{}}}',
        `{"event":{"id":"${'a'.repeat(201)}","event_type":"incident.triggered","data":{}}}`,
        '{"__proto__":{"event":{"id":"a","event_type":"incident.triggered","data":{}}}}',
        '['.repeat(100_000),
        `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
        `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`,
        Buffer.from([0xff, 0xfe, 0x7b, 0]),
        `{"event":${eventText()}}`,
      ]
      const handled = await handledDuring(app, async () => {
        for (const body of bodies)
          expect([String(body).slice(0, 80), (await deliver(victim, body)).status]).toEqual([
            String(body).slice(0, 80),
            400,
          ])
      })
      expect(handled).toBe(0)
      const nested = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
      const evil = `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"deep":${nested}}`
      const text = eventText({ data: 'DATA' }).replace('"DATA"', evil)
      expect((await deliver(victim, text)).status).toBe(202)
      expect((await deliver(victim, eventText())).status).toBe(202)
    })

    test('W18: many deliveries on one connection, some of them forged, leave nothing behind', async () => {
      const { victim } = app
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const send = (text: string, signature: string, expectation?: string) => {
        const sent = request(`${victim.url}/hooks`, {
          method: 'POST',
          agent,
          headers: {
            'X-PagerDuty-Signature': signature,
            'Content-Length': Buffer.byteLength(text),
            ...(expectation !== undefined && { Expect: expectation }),
          },
        })
        if (expectation === undefined) sent.end(text)
        else sent.once('continue', () => sent.end(text)).flushHeaders()
        return answerOf(sent)
      }
      const statuses: number[] = []
      const handled = await handledDuring(app, async () => {
        for (let round = 0; round < 50; round++) {
          const text = eventText()
          statuses.push((await send(text, sign(text))).status)
          statuses.push((await send(text, sign('something else'))).status)
        }
        const text = eventText()
        statuses.push((await send(text, sign(text), '100-continue')).status)
      })
      agent.destroy()
      expect(statuses).toEqual([...Array(50).fill([202, 403]).flat(), 202])
      expect(handled).toBe(51)
      expect(victim.output).not.toContain('MaxListeners')
    })
  },
  started,
)

const patient = dropIns.filter(({ express, store }) => express === 5 && store === 'redis')

forEachConfiguration(
  patient,
  (app) => {
    test('W4: an app whose secret is missing or a placeholder does not start', async () => {
      const secrets = ['', '   ', 'changeme', 'your-webhook-secret-here', 'x'.repeat(32), `${secret}\n`]
      const starts = await Promise.allSettled(
        secrets.map((webhookSecret) => app.another({ options: { webhookSecret } })),
      )
      const told = starts.map((start) => (start.status === 'rejected' ? String(start.reason) : 'started'))
      expect(told).toEqual(secrets.map(() => expect.stringContaining('webhookSecret')))
    })

    test('W6, W11: a slow body is given up in time; an event whose process was killed is handled by another', async () => {
      const { victim } = app
      const doomed = await app.another()
      const other = await app.another()
      const text = asking('hang')
      const slowly = async (head: string, drip: string) => {
        const startedAt = performance.now()
        const socket = await open(victim.url)
        socket.write(head)
        const timer = setInterval(() => socket.write(drip), 100)
        const [answer] = (await once(socket, 'data')) as [Buffer]
        clearInterval(timer)
        socket.destroy()
        return { answer: answer.toString().slice(9, 12), isInTime: performance.now() - startedAt < 5_000 }
      }
      const killed = async () => {
        const delivery = deliver(doomed, text).then(
          ({ status }) => status,
          () => 'broken off',
        )
        while ((await doomed.handled()) === 0) await new Promise((resolve) => setTimeout(resolve, 10))
        await doomed.stop()
        const statuses = new Set<unknown>([await delivery])
        // PagerDuty comes again; the claim of a process that is gone ends by itself.
        for (let status = 503; status === 503; statuses.add(status)) {
          await new Promise((resolve) => setTimeout(resolve, 250))
          status = (await deliver(other, text)).status
        }
        return statuses
      }
      const [drips, chunks, silent, statuses] = await Promise.all([
        slowly(signedHead('/hooks', text, { 'Content-Length': '1000' }), '{'),
        slowly(signedHead('/hooks', text, { 'Transfer-Encoding': 'chunked' }), '1\r\n{\r\n'),
        slowly(signedHead('/hooks', text, { 'Content-Length': '1000' }), ''),
        killed(),
      ])
      const inTime = { answer: '503', isInTime: true }
      expect([drips, chunks, silent]).toEqual([inTime, inTime, inTime])
      expect([...statuses]).toEqual(['broken off', 503, 202])
      expect(await other.handled()).toBe(1)
    })

    test('W14: while Redis is silent each delivery has its 503 before PagerDuty hangs up, and comes again', async () => {
      const { victim, redis } = app
      const texts = Array.from({ length: 5 }, () => asking(''))
      expect((await deliver(victim, asking(''))).status).toBe(202)
      redis?.freeze()
      const startedAt = performance.now()
      const answers = await Promise.all(texts.map((text) => deliver(victim, text)))
      const took = performance.now() - startedAt
      redis?.thaw()
      expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(503))
      expect(took).toBeLessThan(5_000)
      for (const text of texts) {
        let status = 503
        while (status === 503) status = (await deliver(victim, text)).status
        expect(status).toBe(202)
      }
    })
  },
  started,
)
