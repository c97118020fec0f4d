/** A short form of a resource, as PagerDuty refers to it. */
export interface WebhookReference {
  /** Names the resource together with `type`: other types may have the same. */
  readonly id: string
  /** Such as `user_reference`; without `_reference` for the resource itself. */
  readonly type: string
  /** Where the REST API has the whole resource; null where it does not. */
  readonly self?: string | null
  /** Its page in PagerDuty's web app; null where it has none. */
  readonly html_url?: string | null
  /** A few words for people, written by PagerDuty. Null in some events; an incident has `title`. */
  readonly summary?: string | null
}

/**
 * The incident of an event, as far as all of its events show it.
 *
 * @see https://developer.pagerduty.com/docs/webhooks-overview
 */
export interface WebhookIncident extends WebhookReference {
  /** Tells the incident itself from a mere `incident_reference`. */
  readonly type: 'incident'
  /** What people call it by, unique in the account: `incident_number` in the REST API. */
  readonly number: number
  /** As PagerDuty wrote the event, which may arrive 48 hours later: the REST API knows better. */
  readonly status: 'triggered' | 'acknowledged' | 'resolved'
  /** Text from whoever or whatever triggered it: escape it in HTML. */
  readonly title: string
  /** Decides which of people's notification rules apply: those for high or for low urgency. */
  readonly urgency: 'high' | 'low'
  /** ISO 8601: when it was triggered first. */
  readonly created_at: string
  /** What events are de-duplicated by, from the sender or made by PagerDuty; null where there is none. */
  readonly incident_key: string | null
  /** The service it belongs to; `incident.service_updated` tells of another one. */
  readonly service: WebhookReference | null
  /** Users it is assigned to; `incident.reassigned` and `incident.escalated` tell of others. */
  readonly assignees: readonly WebhookReference[]
  /** The policy it follows; `incident.delegated` tells of another one. */
  readonly escalation_policy: WebhookReference | null
  /** Teams that have been involved in it; empty for none. */
  readonly teams: readonly WebhookReference[]
  /** One of the account's own list, such as `P1` in `summary`; null where none was given. */
  readonly priority: WebhookReference | null
  /** What else PagerDuty sends, such as `conference_bridge`, `incident_type` and `resolve_reason`. */
  readonly [member: string]: unknown
}

/** What happened to an incident, such as a note or a task; the incident itself is `incident`. */
export interface WebhookIncidentDetail {
  /** Tells the shape, such as `incident_note` or `incident_task`. */
  readonly type: string
  /** Its `summary` may be null: the REST API has the rest, by `id`. */
  readonly incident: WebhookReference
  /** What the `type` brings, such as `content` of a note, or `state` of a responder. */
  readonly [member: string]: unknown
}

/** Roles that people were given in an incident, or lost. The incident stands in each of them. */
export interface WebhookRoleAssignments {
  /** Of the list as a whole: its entries are `role_assignment_reference`. */
  readonly type: 'incident_role_assignment'
  /** `assignee` is null where a role was taken away, `old_assignee` where nobody had it before. */
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
  /** Tells the shape; `service_field_values` is the only one documented. */
  readonly type: string
  /** Its `summary` may be null: the REST API has the rest, by `id`. */
  readonly service: WebhookReference
  /** What the `type` brings, such as `custom_fields` and `changed_custom_fields`. */
  readonly [member: string]: unknown
}
