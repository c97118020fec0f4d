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

/** A short form of a resource, as PagerDuty refers to it. */
export interface WebhookReference {
  readonly id: string
  readonly type: string
  readonly self?: string | null
  readonly html_url?: string | null
  readonly summary?: string | null
}

/** What all events have in common. */
export interface WebhookEventBase<Type extends string, Resource extends string, Data> {
  /** The same whenever the event is delivered again. */
  readonly id: string
  readonly event_type: Type
  readonly resource_type: Resource
  /** ISO 8601. */
  readonly occurred_at: string
  /** Who did it; null where nobody did. */
  readonly agent: WebhookReference | null
  /** The integration it came through, if any. */
  readonly client: { readonly name?: string; readonly url?: string } | null
  readonly data: Data
}

/** The incident of an event, as far as all of its events show it. */
export interface WebhookIncident extends WebhookReference {
  readonly type: 'incident'
  readonly number: number
  readonly status: 'triggered' | 'acknowledged' | 'resolved'
  readonly title: string
  readonly urgency: 'high' | 'low'
  readonly created_at: string
  readonly incident_key: string | null
  readonly service: WebhookReference | null
  readonly assignees: readonly WebhookReference[]
  readonly escalation_policy: WebhookReference | null
  readonly teams: readonly WebhookReference[]
  readonly priority: WebhookReference | null
  readonly [member: string]: unknown
}

/** What happened to an incident, such as a note or a task; the incident itself is `incident`. */
export interface WebhookIncidentDetail {
  readonly type: string
  readonly incident: WebhookReference
  readonly [member: string]: unknown
}

/** The service of an event, or what happened to it. */
export interface WebhookService {
  readonly id?: string
  readonly type: string
  readonly [member: string]: unknown
}

/** Event types whose `data` is the incident itself. */
export type WebhookIncidentEventType =
  | 'incident.acknowledged'
  | 'incident.delegated'
  | 'incident.escalated'
  | 'incident.priority_updated'
  | 'incident.reassigned'
  | 'incident.reopened'
  | 'incident.resolved'
  | 'incident.service_updated'
  | 'incident.triggered'
  | 'incident.unacknowledged'

type ServiceEventType = Extract<WebhookEventType, `service.${string}`>
type IncidentDetailEventType = Exclude<WebhookEventType, WebhookIncidentEventType | ServiceEventType>

/**
 * The payload's `event`: one type of it for each documented `event_type`, which tells what `data` is.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 */
export type WebhookEvent =
  | {
      [Type in WebhookIncidentEventType]: WebhookEventBase<Type, 'incident', WebhookIncident>
    }[WebhookIncidentEventType]
  | {
      [Type in IncidentDetailEventType]: WebhookEventBase<Type, 'incident', WebhookIncidentDetail>
    }[IncidentDetailEventType]
  | { [Type in ServiceEventType]: WebhookEventBase<Type, 'service', WebhookService> }[ServiceEventType]

const known: ReadonlySet<string> = new Set(webhookEventTypes)

/** The id of the incident that an event is about; undefined for events of services. */
export function incidentIDOf({ data }: WebhookEvent): string | undefined {
  const { type, id, incident } = data as { type?: unknown; id?: unknown; incident?: { id?: unknown } | null }
  const found = type === 'incident' ? id : incident?.id
  return typeof found === 'string' ? found : undefined
}

/** Whether this package knows the type of an event. */
export function isKnownEvent(event: { event_type: string }): event is WebhookEvent {
  return known.has(event.event_type)
}
