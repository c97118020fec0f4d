import { randomUUID } from 'node:crypto'
import { reference } from './objects'
import type { Incident, Reference } from './objects'
import type { AccountData } from './sample-data'
import { fieldValues, incidentDetail, webhookIncident } from './webhook-incident'

/** A webhook event, as far as a test wants to have it its own way. */
export interface WebhookEventInit {
  /** @default a new one */
  id?: string | undefined
  /** Any documented type, `pagey.ping`, or one that does not exist. */
  event_type: string
  /** @default the part of `event_type` before the first dot */
  resource_type?: string | undefined
  /** @default now */
  occurred_at?: string | undefined
  /** @default a user of the account; null for `pagey.ping` */
  agent?: unknown
  /** @default null */
  client?: unknown
  /** Members of `data` besides, or instead of, the usual ones. `id`, or `incident.id` where it has that, names an incident. */
  data?: Record<string, unknown> | null | undefined
}

/** A whole event, as the payload carries it. */
export type WebhookEventPayload = {
  [Name in keyof WebhookEventInit]-?: Exclude<WebhookEventInit[Name], undefined>
}

/** Event types whose data is the incident itself; that of the others only refers to it. */
const aboutIncident = new Set(
  ['acknowledged', 'delegated', 'escalated', 'incident_type.changed', 'priority_updated', 'reassigned']
    .concat(['reopened', 'resolved', 'service_updated', 'triggered', 'unacknowledged'])
    .map((what) => `incident.${what}`),
)

/** @internal Completes an event with data of the account, in the shapes that PagerDuty documents. */
export function webhookEvent(init: WebhookEventInit, account: AccountData, now: number): WebhookEventPayload {
  const { event_type, data = {} } = init
  const [resource = ''] = event_type.split('.')
  const [user] = account.users
  const isPing = event_type === 'pagey.ping'
  return {
    id: init.id ?? randomUUID(),
    event_type,
    resource_type: init.resource_type ?? resource,
    occurred_at: init.occurred_at ?? new Date(now).toISOString(),
    agent: init.agent === undefined ? (user && !isPing ? reference(user) : null) : init.agent,
    client: init.client ?? null,
    data: data === null ? null : completed(dataOf(event_type, account, data), data),
  }
}

/** A test may name an incident by its id alone. */
function completed(whole: Record<string, unknown>, given: Record<string, unknown>): Record<string, unknown> {
  const { incident } = given as { incident?: object }
  return {
    ...whole,
    ...given,
    ...(incident && { incident: { ...(whole['incident'] as object), ...incident } }),
  }
}

function dataOf(
  eventType: string,
  account: AccountData,
  given: Record<string, unknown>,
): Record<string, unknown> {
  const { id } = (given['incident'] ?? given) as { id?: unknown }
  if (eventType === 'pagey.ping') return { message: 'Hello from your friend Pagey!', type: 'ping' }
  if (eventType.startsWith('service.')) {
    const service = account.services.find((one) => one.id === id) ?? (account.services[0] as Reference)
    return eventType === 'service.custom_field_values.updated'
      ? { service: reference(service), ...fieldValues(), type: 'service_field_values' }
      : { ...reference(service), type: 'service', alert_creation: 'create_alerts_and_incidents', teams: [] }
  }
  if (!eventType.startsWith('incident.')) return { type: eventType.split('.')[0] }
  const incident = account.incidents.find((one) => one.id === id) ?? (account.incidents[0] as Incident)
  return aboutIncident.has(eventType)
    ? webhookIncident(incident, eventType)
    : incidentDetail(account, incident, eventType)
}
