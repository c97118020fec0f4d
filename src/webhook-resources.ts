/** A short form of a resource, as PagerDuty refers to it. */
export interface WebhookReference {
  readonly id: string
  readonly type: string
  readonly self?: string | null
  readonly html_url?: string | null
  readonly summary?: string | null
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

/** Roles that people were given in an incident, or lost. The incident stands in each of them. */
export interface WebhookRoleAssignments {
  readonly type: 'incident_role_assignment'
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
  readonly type: 'service'
  readonly [member: string]: unknown
}

/** What happened to a service; the service itself is `service`. */
export interface WebhookServiceDetail {
  readonly type: string
  readonly service: WebhookReference
  readonly [member: string]: unknown
}
