import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { type Socket, connect } from 'node:net'
import type { Express } from 'express'
import type {
  WebhookEvent,
  WebhookHandler,
  WebhookReceiver,
  WebhookReceiverOptions,
  WebhookOutcome,
} from '../../src'
import { Events } from '../../src/observability/events'
import { createReceiver } from '../../src/webhooks/receiver'
import {
  type SendWebhookOptions,
  type WebhookAnswer,
  type WebhookEventInit,
  sendWebhook,
} from '../../src/testing'
import { type RunningApp, serve } from './app'

export const secret = 'HvPtlQNKMPpHSSqJpCdndXfo7HnGXa1pnH6w5axpxLFn9aRBNBGh4e8'

/** An app with one receiver, and everything that it told. */
export interface Receiving extends RunningApp {
  receiver: WebhookReceiver
  /** Where deliveries go. */
  path: string
  /** Events that the handler got. */
  handled: WebhookEvent[]
  outcomes: WebhookOutcome[]
  warnings: string[]
  /** Sends a delivery of PagerDuty's. */
  send(event?: string | WebhookEventInit, how?: Partial<SendWebhookOptions>): Promise<WebhookAnswer>
  /** Settles with the next outcome. */
  nextOutcome(): Promise<WebhookOutcome>
}

export type Mount = (app: Express, receiver: WebhookReceiver) => void

const plainly: Mount = (app, receiver) => void app.post('/hook', receiver)

/** Starts one. */
export async function receive(
  options: WebhookReceiverOptions = {},
  handler: WebhookHandler = () => {},
  mount: Mount = plainly,
): Promise<Receiving> {
  const events = new Events()
  const handled: WebhookEvent[] = []
  const outcomes: WebhookOutcome[] = []
  const warnings: string[] = []
  events.on('webhook', (outcome) => void outcomes.push(outcome))
  events.on('warning', ({ error }) => void warnings.push(error.message))
  const warn = (message: string) => void warnings.push(message)
  const handle: WebhookHandler = (event, context) => {
    handled.push(event)
    return handler(event, context)
  }
  const receiver = createReceiver({ webhookSecret: secret, ...options }, handle, events, warn)
  const app = await serve((express) => mount(express, receiver))
  const path = `${app.url}/hook`
  return {
    ...app,
    receiver,
    path,
    handled,
    outcomes,
    warnings,
    send: (event = 'incident.triggered', how = {}) => sendWebhook(path, event, { secret, ...how }),
    async nextOutcome() {
      const [outcome] = (await once(events, 'webhook')) as [WebhookOutcome]
      return outcome
    },
    async close() {
      await app.close()
      await receiver.close()
    },
  }
}

export function sign(body: string | Uint8Array, key = secret): string {
  return `v1=${createHmac('sha256', key).update(body).digest('hex')}`
}

/** The text of an event, with a new id. */
export function eventText(members: Record<string, unknown> = {}): string {
  const event = {
    id: randomUUID(),
    event_type: 'incident.triggered',
    resource_type: 'incident',
    occurred_at: new Date().toISOString(),
    agent: null,
    client: null,
    data: { id: 'PINCID1', type: 'incident' },
    ...members,
  }
  return JSON.stringify({ event })
}

/** The text of an event that is exactly so many bytes long. */
export function eventOfSize(bytes: number): string {
  const empty = eventText({ data: { id: 'PINCID1', type: 'incident', title: '' } })
  return empty.replace('"title":""', `"title":"${'x'.repeat(bytes - empty.length)}"`)
}

/** The response to a request. */
export interface Answered {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

/** Posts any bytes with any headers, signed unless the headers say otherwise. */
export async function post(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string | string[] | undefined> = {},
): Promise<Answered> {
  const given = Object.entries({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-pagerduty-signature': sign(body),
    ...headers,
  }).filter(([, value]) => value !== undefined)
  const sent = request(url, {
    method: 'POST',
    headers: Object.fromEntries(given) as Record<string, string>,
    // A connection that was used may be about to be closed.
    agent: false,
  })
  sent.end(body)
  return answerOf(sent)
}

export async function answerOf(sent: ReturnType<typeof request>): Promise<Answered> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of answer) body += String(chunk)
  return { status: answer.statusCode as number, headers: answer.headers, body }
}

/** A connection on which a test writes what it likes. */
export async function open(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** The head of a delivery that is sent by hand. */
export function head(headers: Record<string, string | number>): string {
  const lines = Object.entries({ Host: 'localhost', 'Content-Type': 'application/json', ...headers })
  return `POST /hook HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** A promise that a test settles. */
export function gate<T = void>(): {
  promise: Promise<T>
  open: (value: T) => void
  fail: (error: Error) => void
} {
  let open: (value: T) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}
