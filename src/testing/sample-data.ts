import { createHash } from 'node:crypto'
import { regionalAPI } from './accounts'
import type { Account, AccountUser } from './accounts'

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
  service: Reference
  [detail: string]: unknown
}

export interface AccountData {
  users: Reference[]
  services: Reference[]
  incidents: Incident[]
  onCalls: Record<string, unknown>[]
  notes: Map<string, Record<string, unknown>[]>
}

const serviceNames = ['Checkout', 'Search', 'Data pipeline', 'Mobile gateway']

// [title, index of the service, status, urgency, minutes ago]
const stories: readonly (readonly [string, number, string, string, number])[] = [
  ['Payment latency above 2 s', 0, 'triggered', 'high', 4],
  ['Nightly export is behind', 2, 'triggered', 'low', 38],
  ['Error rate at 7 %', 3, 'acknowledged', 'high', 55],
  ['Index replica unreachable', 1, 'acknowledged', 'low', 140],
  ['Disk almost full on db-3', 2, 'triggered', 'high', 12],
  ['Certificate expires in 5 days', 3, 'acknowledged', 'low', 610],
  ['Checkout returns 502', 0, 'resolved', 'high', 1_500],
  ['Queue consumers restarted', 2, 'resolved', 'low', 2_900],
  ['Search results empty', 1, 'triggered', 'high', 21],
  ['Slow cold starts', 3, 'resolved', 'low', 7_200],
]

/** Incidents and what belongs to them, the same on every start but for the times, which are relative to `now` (milliseconds). */
export function sampleData(account: Account, now: number): AccountData {
  const users = account.users.map((user) => userObject(account, user))
  const services = serviceNames.map((name) => ({
    ...object(account, 'service', name),
    name,
    status: 'active',
    escalation_policy: reference(object(account, 'escalation_policy', `${name} on call`)),
  }))
  // Regions differ a little, so that a demonstration shows which account it is looking at.
  const told = account.region === 'eu' ? stories.slice(3) : stories.slice(0, 8)
  const incidents = told.map(([title, service, status, urgency, minutesAgo], index): Incident => {
    const assignee = users[index % users.length]
    const createdAt = new Date(now - minutesAgo * 60_000).toISOString()
    return {
      ...object(account, 'incident', title),
      incident_number: 4200 + index,
      title,
      status,
      urgency,
      created_at: createdAt,
      updated_at: createdAt,
      service: reference(services[service] ?? object(account, 'service', 'Unknown')),
      assignments:
        assignee && status !== 'resolved' ? [{ at: createdAt, assignee: reference(assignee) }] : [],
    }
  })
  const onCalls = services.map((service, index) => ({
    user: users.length > 0 ? reference(users[index % users.length] as Reference) : null,
    escalation_policy: service.escalation_policy,
    escalation_level: 1,
    schedule: reference(object(account, 'schedule', `${service.name} weekly`)),
    start: new Date(now - 2 * 86_400_000).toISOString(),
    end: new Date(now + 5 * 86_400_000).toISOString(),
  }))
  return { users, services, incidents, onCalls, notes: new Map() }
}

export function reference({ id, type, summary, self, html_url }: Reference): Reference {
  return { id, type: type.endsWith('_reference') ? type : `${type}_reference`, summary, self, html_url }
}

function userObject(account: Account, { id, name, email, role }: AccountUser): Reference {
  return { ...object(account, 'user', name, id), ...{ name, email, role, time_zone: 'Etc/UTC' } }
}

function object(
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

function objectID(account: Account, type: string, summary: string): string {
  const digest = createHash('sha256').update(`${account.id}/${type}/${summary}`).digest('hex')
  return `P${digest.slice(0, 6).toUpperCase()}`
}
