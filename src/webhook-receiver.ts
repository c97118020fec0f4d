import type { NextFunction, Request, RequestHandler, Response as ServerResponse } from 'express'
import { type OnError, answer } from './answers'
import type { AppTokenInit, AppToken, AppTokenOptions, AppTokens } from './app-tokens'
import { withinDeadline } from './deadline'
import { ConfigurationError, PagerDutyOAuthError, WebhookError } from './errors'
import { Events, type WebhookVerdict } from './events'
import { MemoryTokenStore } from './memory-token-store'
import { rawBody } from './raw-body'
import type { TokenStore } from './token-store'
import { type Claim, WebhookClaims } from './webhook-claims'
import { type WebhookDelivery, parseDelivery } from './webhook-delivery'
import { type WebhookEvent, isKnownEvent } from './webhook-events'
import { isSigned } from './webhook-signature'

const maxBytes = 256 * 1024
const bodyTimeout = 10_000
/** PagerDuty retries for 48 hours; nothing of its own is older. */
const longestDelay = 48.25 * 60 * 60
const clockSkew = 5 * 60

/** Secrets of a webhook subscription: one, several while they rotate, or a function that knows them at each delivery. */
export type WebhookSecret =
  string | readonly string[] | (() => string | readonly string[] | Promise<string | readonly string[]>)

/** How deliveries are received. */
export interface WebhookOptions {
  /** Tells receivers apart: each handles an event once. @default 'webhook' */
  name?: string | undefined
  /** The subscription's secret, as PagerDuty showed it when it was created. @default the option `webhookSecret` */
  webhookSecret?: WebhookSecret | undefined
  /** Seconds after which an event is no longer taken; one that is lacks nothing but its time. @default 173700, 48 hours and a quarter */
  maxAge?: number | undefined
  /** Milliseconds that the answer waits for the handler. PagerDuty waits five seconds. @default 3500 */
  timeout?: number | undefined
  /** Checks the bearer token that PagerDuty sends where the subscription is configured to; false is answered with 401. */
  verifyBearer?: ((token: string | undefined, req: Request) => boolean | Promise<boolean>) | undefined
  /** Hand over events of a type that this package does not know, too. @default false, they are acknowledged */
  unknownTypes?: boolean | undefined
  /** Scopes of the handler's `fetch` and `getToken`. @default the option `appScope` */
  appScope?: string | readonly string[] | undefined
  /** The account that the handler's `fetch` and `getToken` are for, such as `us.acme`. @default the option `account` */
  account?: string | undefined
  /** Takes over the answers to what is not accepted. */
  onError?: OnError | undefined
}

/** Options of {@link webhookReceiver}. */
export interface WebhookReceiverOptions extends WebhookOptions {
  /** Where it is remembered what was handled. All processes need the same. @default in memory */
  tokenStore?: TokenStore | undefined
  /** Gives the handler its `fetch` and `getToken`. */
  appTokens?:
    Pick<AppTokens, 'fetch' | 'getToken'> | (() => Pick<AppTokens, 'fetch' | 'getToken'>) | undefined
  /** @internal */
  events?: Events
  /** @internal Where warnings go. */
  warn?: (message: string) => void
  /** @internal Hears of handlers that run. */
  running?: (work: Promise<unknown>) => void
}

/** What a handler works with. */
export interface WebhookContext {
  /** Calls PagerDuty's REST API as the app; see {@link AppTokens.fetch}. */
  fetch(pathOrURL: string, init?: AppTokenInit): Promise<Response>
  /** A token of the app, for another client; see {@link AppTokens.getToken}. */
  getToken(scope?: string | readonly string[], options?: AppTokenOptions): Promise<AppToken>
  /** `X-Webhook-Id`: the same for a redelivery. Not signed. */
  readonly deliveryID: string | undefined
  /** `X-Webhook-Subscription`. Not signed. */
  readonly subscriptionID: string | undefined
  readonly request: Request
}

/** Does what an event asks for. When it fails in time, PagerDuty delivers the event again. */
export type WebhookHandler = (event: WebhookEvent, context: WebhookContext) => unknown

/**
 * Receives PagerDuty's webhook deliveries (v3): checks the signature over the raw body, takes each event once, and answers in
 * time. It is mounted with `app.post`, before any body parser or after one that keeps the raw bytes.
 *
 * What is PagerDuty's and cannot be handled now is answered with 503 and delivered again; only what is not PagerDuty's, or
 * not understood, gets a 4xx, which PagerDuty takes for final. A handler that takes longer than `timeout` is answered with
 * 202 before it is through: when it fails later, the event `webhook` tells of it and PagerDuty does not deliver it again.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 * @throws {ConfigurationError}
 */
export function webhookReceiver(options: WebhookReceiverOptions, handler: WebhookHandler): RequestHandler {
  const { name = 'webhook', timeout = 3_500, maxAge = longestDelay } = options
  const secretsOf = secretSource(options.webhookSecret)
  const events = options.events ?? new Events()
  const claims = new WebhookClaims(options.tokenStore ?? new MemoryTokenStore(), name)
  const warnOnce = once(options.warn ?? ((message) => process.emitWarning(message)))

  /** Checks everything, and claims the event. */
  async function accept(req: Request): Promise<{ delivery: WebhookDelivery; claim: Claim | Verdict }> {
    const signature = req.header('x-pagerduty-signature')
    if (signature === undefined) throw notSigned()
    const body = await rawBody(req, maxBytes, bodyTimeout)
    if (!isSigned(signature, body, await secretsOf())) throw notSigned()
    await requireBearer(options, req)
    const delivery = parseDelivery(body)
    const { event } = delivery
    const isUnknown = !isKnownEvent(event) && !(options.unknownTypes === true)
    if (event.event_type === 'pagey.ping' || isUnknown) return { delivery, claim: 'ignored' }
    if (isStale(delivery, maxAge)) return { delivery, claim: 'stale' }
    return { delivery, claim: await claims.claim(event.id) }
  }

  return function pagerdutyWebhook(req: Request, res: ServerResponse, next: NextFunction): void {
    const answerBy = performance.now() + timeout
    const deliveryID = req.header('x-webhook-id')
    const tell = (verdict: Verdict, status: number, delivery?: WebhookDelivery, error?: Error) => {
      const { id: eventID, event_type: eventType } = delivery?.event ?? {}
      events.tell('webhook', { receiver: name, verdict, status, deliveryID, eventID, eventType, error })
    }
    const refuse = (error: unknown, verdict: Verdict, delivery?: WebhookDelivery) => {
      const known = error instanceof PagerDutyOAuthError ? error : handlerFailed(error)
      if (known instanceof ConfigurationError) warnOnce(`${known.message}. ${known.hint}`)
      tell(verdict, known.status, delivery, known)
      answer(known, req, res, next, { onError: options.onError })
    }
    const acknowledge = () => void res.writeHead(202, { 'Content-Length': 0 }).end()

    const handle = async (delivery: WebhookDelivery, claim: Claim) => {
      const context = contextOf(options, req, deliveryID)
      // Started by a promise, so that what it throws at once is a rejection too.
      const work = Promise.resolve().then(() => handler(delivery.event as WebhookEvent, context))
      let isAnswered = false
      const finished = work.then(
        async () => {
          // Without the mark it would be handled again if PagerDuty delivered it again, which a 202 keeps it from.
          await claim.done().catch((error: Error) => events.tell('warning', { error }))
          tell('handled', 202, delivery)
        },
        async (error: unknown) => {
          await claim.release()
          if (isAnswered) tell('failed', 202, delivery, error as Error)
          throw error
        },
      )
      options.running?.(finished)
      try {
        await withinDeadline(finished, Math.max(answerBy - performance.now(), 0), () => new LateError())
      } catch (error) {
        if (!(error instanceof LateError)) throw error
        finished.catch(() => {})
      }
      isAnswered = true
      acknowledge()
    }

    accept(req).then(
      async ({ delivery, claim }) => {
        if (typeof claim !== 'string')
          return handle(delivery, claim).catch((error: unknown) => refuse(error, 'failed', delivery))
        if (claim === 'running') return refuse(runningElsewhere(), claim, delivery)
        tell(claim, 202, delivery)
        acknowledge()
      },
      (error: unknown) => refuse(error, isOurs(error) ? 'failed' : 'refused'),
    )
  }
}

type Verdict = WebhookVerdict['verdict']

class LateError extends Error {}

function once(warn: (message: string) => void): (message: string) => void {
  let isDone = false
  return (message) => {
    if (!isDone) warn(message)
    isDone = true
  }
}

/** @throws {ConfigurationError} for what can never sign anything */
function secretSource(secret: WebhookSecret | undefined): () => Promise<readonly string[]> {
  if (typeof secret !== 'function') requireSecrets(secret)
  return async () => requireSecrets(typeof secret === 'function' ? await secret() : secret)
}

function requireSecrets(value: unknown): readonly string[] {
  const secrets: unknown[] = Array.isArray(value) ? value : [value]
  if (secrets.length > 0 && secrets.every((one) => typeof one === 'string' && one.trim().length >= 16))
    return secrets as string[]
  throw new ConfigurationError(
    'webhookSecret',
    'is required: the secret that PagerDuty showed when the webhook subscription was created',
    'Supply PAGERDUTY_WEBHOOK_SECRET. PagerDuty shows the secret once; a new subscription has a new one.',
  )
}

async function requireBearer({ verifyBearer }: WebhookReceiverOptions, req: Request): Promise<void> {
  if (verifyBearer === undefined) return
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(req.header('authorization') ?? '') ?? []
  if ((await verifyBearer(token, req)) === true) return
  throw new WebhookError('The bearer token of the delivery is missing or not valid', {
    code: 'ERR_PAGERDUTY_WEBHOOK_BEARER',
    status: 401,
    headers: { 'WWW-Authenticate': token === undefined ? 'Bearer' : 'Bearer error="invalid_token"' },
  })
}

function isStale({ occurredAt }: WebhookDelivery, maxAge: number): boolean {
  const age = (Date.now() - occurredAt) / 1000
  return age > maxAge || age < -clockSkew
}

function contextOf(
  { appTokens, appScope, account }: WebhookReceiverOptions,
  request: Request,
  deliveryID: string | undefined,
): WebhookContext {
  const tokens = () => {
    const found = typeof appTokens === 'function' ? appTokens() : appTokens
    if (found !== undefined) return found
    throw new ConfigurationError('appTokens', 'is needed by fetch and getToken: give it to webhookReceiver()')
  }
  const defined = {
    ...(appScope !== undefined && { scope: appScope }),
    ...(account !== undefined && { account }),
  }
  return {
    fetch: async (pathOrURL, init) => tokens().fetch(pathOrURL, { ...defined, ...init }),
    getToken: async (scope = appScope, own) => tokens().getToken(scope, { account, ...own }),
    deliveryID,
    subscriptionID: request.header('x-webhook-subscription'),
    request,
  }
}

function isOurs(error: unknown): boolean {
  return !(error instanceof WebhookError) || error.status >= 500
}

function notSigned(): WebhookError {
  return new WebhookError('The delivery is not signed with the secret of this webhook', {
    code: 'ERR_PAGERDUTY_WEBHOOK_SIGNATURE',
    status: 403,
    hint: 'If PagerDuty sent it, webhookSecret is not the secret of that subscription.',
  })
}

function runningElsewhere(): WebhookError {
  return new WebhookError('The event is being handled', {
    code: 'ERR_PAGERDUTY_WEBHOOK_RUNNING',
    status: 503,
    headers: { 'Retry-After': '15' },
    isTransient: true,
  })
}

/** What the app's handler failed with is nobody's business outside; PagerDuty is asked to deliver again. */
function handlerFailed(cause: unknown): WebhookError {
  return new WebhookError('The handler of the event failed', {
    code: 'ERR_PAGERDUTY_WEBHOOK_HANDLER',
    status: 503,
    headers: { 'Retry-After': '5' },
    isTransient: true,
    cause,
  })
}
