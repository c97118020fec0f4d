import { argumentsCausedError, invalidInput } from './rest-call'
import type { Call } from './rest-call'
import type { AccountData } from './sample-data'
import type { Reply } from './wire'

type Item = Record<string, unknown>

/** Every list, with the parameters that PagerDuty documents for it and that change which objects are in it. */
export const lists: Readonly<Record<Exclude<keyof AccountData, 'notes'>, string>> = {
  users: 'query team_ids[]',
  incidents:
    'statuses[] urgencies[] service_ids[] team_ids[] user_ids[] incident_key since until date_range sort_by',
  services: 'query name team_ids[] sort_by',
  oncalls: 'user_ids[] escalation_policy_ids[] schedule_ids[] since until',
  teams: 'query',
  escalation_policies: 'query user_ids[] team_ids[] sort_by',
  schedules: 'query team_ids[]',
  change_events: 'team_ids[] integration_ids[] since until',
}

/** The requested page of a list. Parameters that PagerDuty does not document have no effect, as in the real API. */
export function list(name: keyof typeof lists, { data, query }: Call): Reply {
  const limit = Math.min(Math.max(Number(query.get('limit')) || 25, 1), 100)
  const offset = Math.max(Number(query.get('offset')) || 0, 0)
  if (offset + limit > 10_000) {
    throw argumentsCausedError(
      'Offset+limit exceeds maximum allowed value of 10000. Please try to refine your search to reduce the returned set of records below this number, like adding a date range.',
    )
  }
  const anyTime = query.get('date_range') === 'all' ? ['since', 'until'] : []
  const others = ['date_range', 'sort_by', ...anyTime]
  const declared = lists[name].split(' ')
  const filters = declared
    .map((parameter) => [parameter, query.getAll(parameter)] as const)
    .filter(([parameter, values]) => values.length > 0 && !others.includes(parameter))
  const found = (data[name] as Item[]).filter((item) =>
    filters.every(([parameter, values]) => fits(item, parameter, values)),
  )
  const items = declared.includes('sort_by') ? sorted(found, query.getAll('sort_by')) : found
  const page = items.slice(offset, offset + limit)
  const total = query.get('total') === 'true' ? items.length : null
  return { status: 200, body: { [name]: page, limit, offset, total, more: items.length > offset + limit } }
}

function fits(item: Item, parameter: string, values: readonly string[]): boolean {
  const [value = ''] = values
  const when = item['created_at'] ?? item['timestamp']
  switch (parameter) {
    case 'query':
      return String(item['name']).toLowerCase().includes(value.toLowerCase())
    case 'name':
    case 'incident_key':
      return item[parameter] === value
    case 'statuses[]':
      return values.includes(String(item['status']))
    case 'urgencies[]':
      return values.includes(String(item['urgency']))
    case 'since':
      return moment(item['end'] ?? when, parameter) >= moment(value, parameter)
    case 'until':
      return moment(item['start'] ?? when, parameter) < moment(value, parameter)
    default: {
      // `service_ids[]` is for the objects that refer to one of these services, and so on.
      const type = parameter.replace('_ids[]', '_reference').replace(/^integration/, 'inbound_integration')
      const text = JSON.stringify(item)
      return values.some((id) => text.includes(`"id":${JSON.stringify(id)},"type":"${type}"`))
    }
  }
}

function moment(value: unknown, parameter: string): number {
  const milliseconds = Date.parse(String(value))
  if (Number.isNaN(milliseconds)) throw invalidInput(`"${parameter}" is no date: "${String(value)}"`)
  return milliseconds
}

/** By `field:direction`, the first counting most. */
function sorted(items: readonly Item[], sortBy: readonly string[]): readonly Item[] {
  return sortBy
    .flatMap((value) => value.split(','))
    .reduceRight<readonly Item[]>((before, part) => {
      const [field = '', direction] = part.split(':')
      const sign = direction === 'desc' ? -1 : 1
      return before.toSorted((one, other) => sign * compare(one[field], other[field]))
    }, items)
}

function compare(one: unknown, other: unknown): number {
  return typeof one === 'number' ? one - Number(other) : String(one).localeCompare(String(other))
}
