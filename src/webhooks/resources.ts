/** A short form of a resource, as PagerDuty refers to it. */
export interface WebhookReference {
  /** Unique among resources of the same `type`. */
  readonly id: string
  /** Such as `user_reference`; without `_reference` for the resource itself. */
  readonly type: string
  /** URL of the resource in the REST API; null if it has none. */
  readonly self?: string | null
  /** Its page in PagerDuty's web app; null if it has none. */
  readonly html_url?: string | null
  /** A short description by PagerDuty. Null in some events; an incident has `title`. */
  readonly summary?: string | null
}

/**
 * The incident of an event, with the members that all of its events have.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 */
export interface WebhookIncident extends WebhookReference {
  /** The incident itself, not an `incident_reference`. */
  readonly type: 'incident'
  /** The number that users see, unique in the account: `incident_number` in the REST API. */
  readonly number: number
  /** At the time of the event, which may arrive 48 hours later: ask the REST API for the current status. */
  readonly status: 'triggered' | 'acknowledged' | 'resolved'
  /** Untrusted input of whatever triggered it: escape it in HTML. */
  readonly title: string
  /** Decides which notification rules of a user apply. */
  readonly urgency: 'high' | 'low'
  /** ISO 8601: when it was first triggered. */
  readonly created_at: string
  /** Deduplicates events; set by the sender or by PagerDuty; null if there is none. */
  readonly incident_key: string | null
  /** The service it belongs to; changed by `incident.service_updated`. */
  readonly service: WebhookReference | null
  /** Users it is assigned to; changed by `incident.reassigned` and `incident.escalated`. */
  readonly assignees: readonly WebhookReference[]
  /** Its escalation policy; changed by `incident.delegated`. */
  readonly escalation_policy: WebhookReference | null
  /** Teams that are involved in it. */
  readonly teams: readonly WebhookReference[]
  /** One of the account's priorities, such as `P1` in `summary`; null if it has none. */
  readonly priority: WebhookReference | null
  /** What else PagerDuty sends, such as `conference_bridge`, `incident_type` and `resolve_reason`. */
  readonly [member: string]: unknown
}

/** What happened to an incident, such as a note or a task; the incident itself is `incident`. */
export interface WebhookIncidentDetail {
  /** The kind of detail, such as `incident_note` or `incident_task`. */
  readonly type: string
  /** Its `summary` may be null; read the rest from the REST API by `id`. */
  readonly incident: WebhookReference
  /** Members of that `type`, such as `content` of a note, or `state` of a responder. */
  readonly [member: string]: unknown
}

/** Roles in an incident that users were given, or lost. Each entry names the incident. */
export interface WebhookRoleAssignments {
  /** Of the list as a whole: its entries are `role_assignment_reference`. */
  readonly type: 'incident_role_assignment'
  /** `assignee` is null if the role was removed, `old_assignee` if no one had it before. */
  readonly incident_role_assignments: readonly {
    readonly id: string
    readonly incident: WebhookReference
    readonly role: WebhookReference
    readonly assignee: WebhookReference | null
    readonly old_assignee: WebhookReference | null
    readonly [member: string]: unknown
  }[]
}

/** The service of an event. */
export interface WebhookService extends WebhookReference {
  /** The service itself, also in `service.deleted`. */
  readonly type: 'service'
  /** What else PagerDuty sends, such as `alert_creation` and `teams`. */
  readonly [member: string]: unknown
}

/** What happened to a service; the service itself is `service`. */
export interface WebhookServiceDetail {
  /** The kind of detail; `service_field_values` is the only one documented. */
  readonly type: string
  /** Its `summary` may be null; read the rest from the REST API by `id`. */
  readonly service: WebhookReference
  /** Members of that `type`, such as `custom_fields` and `changed_custom_fields`. */
  readonly [member: string]: unknown
}
