import type { Account, AccountUser } from './accounts'
import { digest, incidentObject, object, objectID, reference } from './objects'
import type { Incident, Reference } from './objects'

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

/** Who is on call for a service. */
interface Shift {
  name: string
  user: Reference | null
  policy: Reference
  schedule: Reference
  service: Reference
  teams: Reference[]
}

/** Incidents and what belongs to them, the same on every start but for the times, which are relative to `now` (milliseconds). */
export function sampleData(account: Account, now: number): AccountData {
  const before = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
  const teams = ['Customers', 'Platform'].map((name) => named(account, 'team', name, {}))
  const ofTeam = (index: number) => [reference(teams[index % teams.length] as Reference)]
  const users = account.users.map((user, index) => ({ ...userObject(account, user), teams: ofTeam(index) }))
  const shifts = serviceNames.map((name, index): Shift => {
    const user = users[index % users.length]
    return {
      name,
      user: user ? reference(user) : null,
      policy: reference(object(account, 'escalation_policy', `${name} on call`)),
      schedule: reference(object(account, 'schedule', `${name} weekly`)),
      service: reference(object(account, 'service', name)),
      teams: ofTeam(index),
    }
  })
  const services = shifts.map(({ name, policy, teams }) =>
    named(account, 'service', name, { status: 'active', escalation_policy: policy, teams }),
  )
  return {
    users,
    services,
    incidents: sampleIncidents(account, { services, users, before }),
    teams,
    oncalls: shifts.map(({ user, policy, schedule }) => ({
      user,
      escalation_policy: policy,
      escalation_level: 1,
      schedule,
      start: before(2 * 1440),
      end: before(-5 * 1440),
    })),
    escalation_policies: shifts.map((shift) => policyObject(account, shift)),
    schedules: shifts.map((shift) => scheduleObject(account, shift)),
    change_events: shifts.map((shift, index) => changeEvent(account, shift, before(60 * (index + 1)))),
    notes: new Map(),
  }
}

function sampleIncidents(
  account: Account,
  {
    services,
    users,
    before,
  }: Record<'services' | 'users', Reference[]> & { before: (minutes: number) => string },
): Incident[] {
  // Regions differ a little, so that a demonstration shows which account it is looking at.
  const told = account.region === 'eu' ? stories.slice(3) : stories.slice(0, 8)
  return told.map(([title, service, status, urgency, minutesAgo], index) => {
    const incident = {
      title,
      status,
      urgency,
      incident_key: digest(account, 'key', title).slice(0, 32),
      incident_number: 4200 + index,
      created_at: before(minutesAgo),
      service: services[service] as Reference,
    }
    return incidentObject(account, incident, users[index % users.length])
  })
}

function policyObject(account: Account, { policy, schedule, user, service, teams }: Shift): Reference {
  const targets = user ? [schedule, user] : [schedule]
  const escalation_rules = [{ id: policy.id, escalation_delay_in_minutes: 30, targets }]
  const details = { num_loops: 0, services: [service], teams, escalation_rules }
  return named(account, 'escalation_policy', policy.summary, details)
}

function scheduleObject(account: Account, { schedule, policy, user, teams }: Shift): Reference {
  const users = user ? [user] : []
  const details = { time_zone: 'Etc/UTC', escalation_policies: [policy], users, teams }
  return named(account, 'schedule', schedule.summary, details)
}

function changeEvent(
  account: Account,
  { name, service, teams }: Shift,
  timestamp: string,
): AccountData['change_events'][number] {
  return {
    id: objectID(account, 'change_event', name),
    type: 'change_event',
    summary: `${name} deployed`,
    timestamp,
    source: 'deployment',
    integration: reference(object(account, 'inbound_integration', 'Deployments')),
    services: [service],
    teams,
    custom_details: {},
    links: [],
  }
}

function userObject(account: Account, { id, name, email, role }: AccountUser): Reference {
  return { ...object(account, 'user', name, id), ...{ name, email, role, time_zone: 'Etc/UTC' } }
}

function named(account: Account, type: string, name: string, details: object): Reference {
  return { ...object(account, type, name), ...{ name, ...details } }
}
