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
  incident_key: string
  service: Reference
  [detail: string]: unknown
}

/** The lists by their names in the REST API. */
export interface AccountData {
  users: Reference[]
  services: Reference[]
  incidents: Incident[]
  oncalls: { user: Reference | null; [detail: string]: unknown }[]
  teams: Reference[]
  escalation_policies: Reference[]
  schedules: Reference[]
  change_events: { id: string; [detail: string]: unknown }[]
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
  const before = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
  const named = (type: string, name: string, details: object) => ({
    ...object(account, type, name),
    name,
    ...details,
  })
  const teams = ['Customers', 'Platform'].map((name) => named('team', name, {}))
  const ofTeam = (index: number) => ({ teams: [reference(teams[index % teams.length] as Reference)] })
  const users = account.users.map((user, index) => ({ ...userObject(account, user), ...ofTeam(index) }))
  const shifts = serviceNames.map((name, index) => {
    const user = users[index % users.length]
    return {
      name,
      user: user ? reference(user) : null,
      policy: reference(object(account, 'escalation_policy', `${name} on call`)),
      schedule: reference(object(account, 'schedule', `${name} weekly`)),
      service: reference(object(account, 'service', name)),
      ...ofTeam(index),
    }
  })
  const services = shifts.map(({ name, policy, teams }) =>
    named('service', name, { status: 'active', escalation_policy: policy, teams }),
  )
  // Regions differ a little, so that a demonstration shows which account it is looking at.
  const told = account.region === 'eu' ? stories.slice(3) : stories.slice(0, 8)
  const incidents = told.map(([title, service, status, urgency, minutesAgo], index) =>
    incidentObject(account, {
      title,
      status,
      urgency,
      key: digest(account, 'key', title).slice(0, 32),
      number: 4200 + index,
      createdAt: before(minutesAgo),
      service: services[service] as Reference,
      assignee: users[index % users.length],
    }),
  )
  return {
    users,
    services,
    incidents,
    teams,
    oncalls: shifts.map(({ user, policy, schedule }) => ({
      user,
      escalation_policy: policy,
      escalation_level: 1,
      schedule,
      start: before(2 * 1440),
      end: before(-5 * 1440),
    })),
    escalation_policies: shifts.map(({ policy, schedule, user, service, teams }) => ({
      ...named('escalation_policy', policy.summary, { num_loops: 0, services: [service], teams }),
      escalation_rules: [
        { id: policy.id, escalation_delay_in_minutes: 30, targets: user ? [schedule, user] : [schedule] },
      ],
    })),
    schedules: shifts.map(({ schedule, policy, user, teams }) =>
      named('schedule', schedule.summary, {
        time_zone: 'Etc/UTC',
        escalation_policies: [policy],
        users: user ? [user] : [],
        teams,
      }),
    ),
    change_events: shifts.map(({ name, service, teams }, index) => ({
      id: objectID(account, 'change_event', name),
      type: 'change_event',
      summary: `${name} deployed`,
      timestamp: before(60 * (index + 1)),
      source: 'deployment',
      integration: reference(object(account, 'inbound_integration', 'Deployments')),
      services: [service],
      teams,
      custom_details: {},
      links: [],
    })),
    notes: new Map(),
  }
}

export function incidentObject(
  account: Account,
  told: {
    id?: string
    title: string
    status: string
    urgency: string
    key: string
    number: number
    createdAt: string
    service: Reference
    assignee: Reference | null | undefined
  },
): Incident {
  const { id, title, status, urgency, key, number, createdAt, service, assignee } = told
  const { escalation_policy, teams } = service as Reference & Record<string, unknown>
  return {
    ...object(account, 'incident', title, id),
    incident_number: number,
    title,
    status,
    urgency,
    incident_key: key,
    created_at: createdAt,
    updated_at: createdAt,
    service: reference(service),
    escalation_policy,
    teams,
    assignments: assignee && status !== 'resolved' ? [{ at: createdAt, assignee: reference(assignee) }] : [],
  }
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
  return `P${digest(account, type, summary).slice(0, 6).toUpperCase()}`
}

function digest(account: Account, type: string, summary: string): string {
  return createHash('sha256').update(`${account.id}/${type}/${summary}`).digest('hex')
}
