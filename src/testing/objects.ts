import { createHash } from 'node:crypto'
import { regionalAPI } from './accounts'
import type { Account } from './accounts'

/** PagerDuty's short form of an object inside another. */
export interface Reference {
  id: string
  type: string
  summary: string
  self: string
  html_url: string
}

export interface Incident extends Reference {
  incident_number: number
  title: string
  status: string
  urgency: string
  created_at: string
  incident_key: string
  service: Reference
  [detail: string]: unknown
}

type Told = Pick<
  Incident,
  'title' | 'status' | 'urgency' | 'incident_key' | 'incident_number' | 'created_at' | 'service'
>

export function incidentObject(
  account: Account,
  told: Told,
  assignee: Reference | null | undefined,
  id?: string,
): Incident {
  const { title, status, created_at, service } = told
  const { escalation_policy, teams } = service as Reference & Record<string, unknown>
  return {
    ...object(account, 'incident', title, id),
    ...told,
    summary: incidentSummary(told),
    updated_at: created_at,
    service: reference(service),
    escalation_policy,
    teams,
    assignments: assignee && status !== 'resolved' ? [{ at: created_at, assignee: reference(assignee) }] : [],
  }
}

/** How the REST API names an incident; webhooks name it by its title alone. */
export function incidentSummary(incident: Pick<Incident, 'incident_number' | 'title'>): string {
  return `[#${incident.incident_number}] ${incident.title}`
}

export function reference({ id, type, summary, self, html_url }: Reference): Reference {
  return { id, type: type.endsWith('_reference') ? type : `${type}_reference`, summary, self, html_url }
}

export function object(
  account: Account,
  type: string,
  summary: string,
  id = objectID(account, type, summary),
): Reference {
  const path = `${type === 'escalation_policy' ? 'escalation_policie' : type}s/${id}`
  const web = account.region === 'eu' ? 'eu.pagerduty.com' : 'pagerduty.com'
  return {
    id,
    type,
    summary,
    self: `${regionalAPI(account)}/${path}`,
    html_url: `https://${account.subdomain}.${web}/${path}`,
  }
}

export function objectID(account: Account, type: string, summary: string): string {
  return `P${digest(account, type, summary).slice(0, 6).toUpperCase()}`
}

/** The same for the same names on every start. */
export function digest(account: Account, type: string, summary: string): string {
  return createHash('sha256').update(`${account.id}/${type}/${summary}`).digest('hex')
}
