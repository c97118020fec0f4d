import type {
  WebhookIncident,
  WebhookIncidentDetail,
  WebhookReference,
  WebhookRoleAssignments,
  WebhookService,
  WebhookServiceDetail,
} from './resources'

/** Event types that PagerDuty documents. It may add others at any time. */
export const webhookEventTypes = [
  'incident.acknowledged',
  'incident.action_invocation.created',
  'incident.action_invocation.terminated',
  'incident.action_invocation.updated',
  'incident.annotated',
  'incident.conference_bridge.updated',
  'incident.custom_field_values.updated',
  'incident.delegated',
  'incident.escalated',
  'incident.incident_type.changed',
  'incident.priority_updated',
  'incident.reassigned',
  'incident.reopened',
  'incident.resolved',
  'incident.responder.added',
  'incident.responder.replied',
  'incident.role.assigned',
  'incident.service_updated',
  'incident.status_update_published',
  'incident.task.completed',
  'incident.task.created',
  'incident.task.updated',
  'incident.triggered',
  'incident.unacknowledged',
  'incident.workflow.completed',
  'incident.workflow.started',
  'service.created',
  'service.custom_field_values.updated',
  'service.deleted',
  'service.updated',
] as const

/** A documented event type. */
export type WebhookEventType = (typeof webhookEventTypes)[number]

/** What all events have in common. */
export interface WebhookEventBase<Type extends string, Resource extends string, Data> {
  /** The same whenever the event is delivered again. */
  readonly id: string
  /** What happened. Comparing it narrows `data`. */
  readonly event_type: Type
  /** The first part of `event_type`. `data.type` may be more specific. */
  readonly resource_type: Resource
  /** ISO 8601. */
  readonly occurred_at: string
  /** Who did it; null if no one did. */
  readonly agent: WebhookReference | null
  /** The integration it came through, if any. */
  readonly client: { readonly name?: string; readonly url?: string } | null
  /** What PagerDuty documents for `event_type`. It is checked to be an object, no more. */
  readonly data: Data
}

/** Event types whose `data` is the incident itself. */
export type WebhookIncidentEventType =
  | 'incident.acknowledged'
  | 'incident.delegated'
  | 'incident.escalated'
  | 'incident.incident_type.changed'
  | 'incident.priority_updated'
  | 'incident.reassigned'
  | 'incident.reopened'
  | 'incident.resolved'
  | 'incident.service_updated'
  | 'incident.triggered'
  | 'incident.unacknowledged'

/** What `data` is, for each documented event type. */
type DataOf<Type extends WebhookEventType> = Type extends WebhookIncidentEventType
  ? WebhookIncident
  : Type extends 'incident.role.assigned'
    ? WebhookRoleAssignments
    : Type extends 'service.custom_field_values.updated'
      ? WebhookServiceDetail
      : Type extends `service.${string}`
        ? WebhookService
        : WebhookIncidentDetail

/**
 * The payload's `event`: a union with one member for each documented `event_type`, which decides what `data` is.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 */
export type WebhookEvent = {
  [Type in WebhookEventType]: WebhookEventBase<
    Type,
    Type extends `service.${string}` ? 'service' : 'incident',
    DataOf<Type>
  >
}[WebhookEventType]

/** An event of a type that this package does not know: the members that every event has. */
export interface UnknownWebhookEvent {
  /** The same whenever the event is delivered again: at most 200 visible ASCII characters. */
  readonly id: string
  /** None of `webhookEventTypes`, nor `pagey.ping`; of the same characters as `id`. */
  readonly event_type: string
  /** The first part of `event_type`, by PagerDuty's documentation; not checked. */
  readonly resource_type?: string
  /** ISO 8601. An event without it is expired, and not handled, unless `maxAge` is Infinity. */
  readonly occurred_at?: string
  /** Depends on the type; not checked. */
  readonly data?: unknown
  /** What else PagerDuty sent, such as `agent`. Members named `__proto__` are removed at any depth. */
  readonly [member: string]: unknown
}

/** The id of the incident that an event is about; undefined for events of services. */
export function incidentIDOf({ data }: WebhookEvent): string | undefined {
  const { type, id, incident, incident_role_assignments: roles } = data as ReferringData
  const found = type === 'incident' ? id : (incident ?? roles?.[0]?.incident)?.id
  return typeof found === 'string' ? found : undefined
}

/** Where the data of an event may name its incident. */
interface ReferringData {
  type?: unknown
  id?: unknown
  incident?: { id?: unknown } | null
  incident_role_assignments?: { incident?: { id?: unknown } | null }[]
}

/** Whether this package knows the type of an event. */
export function isKnownEvent(event: { event_type: string }): event is WebhookEvent {
  return (webhookEventTypes as readonly string[]).includes(event.event_type)
}
