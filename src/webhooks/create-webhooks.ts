import { ConfigurationError } from '../errors/errors'
import type { Events } from '../observability/events'
import { requireKnown } from '../errors/known-members'
import {
  type WebhookHandler,
  type WebhookOptions,
  type WebhookReceiverOptions,
  insteadOfSecret,
  webhookOptionNames,
} from './options'
import { type WebhookReceiver, createReceiver } from './receiver'

/** The receivers of one instance, each of a name of its own. */
export function createWebhooks(
  shared: WebhookReceiverOptions,
  events: Events,
  warn: (message: string) => void,
) {
  const receivers = new Map<string, WebhookReceiver>()
  return {
    webhook(handler: WebhookHandler, own: WebhookOptions = {}): WebhookReceiver {
      requireKnown('pd.webhook()', own, webhookOptionNames, insteadOfSecret)
      const { name = 'webhook' } = own
      if (receivers.has(name)) {
        throw new ConfigurationError(
          'name',
          `is "${name}" for two webhooks: what one has handled, the other would take for done`,
          'Give each a name of its own: pd.webhook(handler, { name: "…" }). One may be mounted on several paths.',
        )
      }
      const options = {
        ...shared,
        ...own,
        webhookSecret: own.webhookSecret ?? shared.webhookSecret,
        appScope: own.appScope ?? shared.appScope,
      }
      const receiver = createReceiver(options, handler, events, warn)
      receivers.set(name, receiver)
      return receiver
    },
    async close(): Promise<void> {
      await Promise.all([...receivers.values()].map((receiver) => receiver.close()))
    },
  }
}
