import type { Request } from 'express'
import type { AppToken, AppTokenInit, AppTokenOptions, AppTokens } from '../app-tokens/app-tokens'
import { ConfigurationError } from '../errors'

/** What a handler works with. */
export interface WebhookContext {
  /** Calls PagerDuty's REST API as the app; see {@link AppTokens.fetch}. */
  readonly fetch: (pathOrURL: string, init?: AppTokenInit) => Promise<Response>
  /** A token of the app, for another client; see {@link AppTokens.getToken}. */
  readonly getToken: (scope?: string | readonly string[], options?: AppTokenOptions) => Promise<AppToken>
  /** `X-Webhook-Id`: the same for a redelivery. Not signed. */
  readonly deliveryID: string | undefined
  /** `X-Webhook-Subscription`. Not signed. */
  readonly subscriptionID: string | undefined
  /** The delivery, with its body read. Nothing but the body is signed, no header. The receiver answers it. */
  readonly request: Request
}

/** Whose tokens the handler uses, and which. */
export interface ContextOptions {
  appTokens?:
    Pick<AppTokens, 'fetch' | 'getToken'> | (() => Pick<AppTokens, 'fetch' | 'getToken'>) | undefined
  appScope?: string | readonly string[] | undefined
  account?: string | undefined
}

/** The context of one delivery. Tokens are asked for only when the handler does. */
export function webhookContext(options: ContextOptions, request: Request): WebhookContext {
  const { appTokens, appScope, account } = options
  const tokens = () => {
    const found = typeof appTokens === 'function' ? appTokens() : appTokens
    if (found !== undefined) return found
    throw new ConfigurationError('appTokens', 'is needed by fetch and getToken: give it to webhookReceiver()')
  }
  return {
    fetch: async (pathOrURL, init = {}) =>
      tokens().fetch(pathOrURL, {
        ...init,
        scope: init.scope ?? appScope,
        account: init.account ?? account,
      }),
    getToken: async (scope = appScope, own = {}) =>
      tokens().getToken(scope, { ...own, account: own.account ?? account }),
    deliveryID: request.header('x-webhook-id'),
    subscriptionID: request.header('x-webhook-subscription'),
    request,
  }
}
