import { randomUUID } from 'node:crypto'
import { argumentsCausedError, find, given, invalidInput } from './rest-call'
import type { Call } from './rest-call'
import { incidentObject, incidentSummary, reference } from './objects'
import type { Incident } from './objects'
import { Refusal, apiError } from './wire'
import type { Reply } from './wire'

interface Input {
  id?: unknown
  title?: unknown
  status?: unknown
  urgency?: unknown
  incident_key?: unknown
  service?: { id?: unknown } | null
  content?: unknown
}

const allowed = {
  title: undefined,
  status: ['triggered', 'acknowledged', 'resolved'],
  urgency: ['high', 'low'],
} as const

export function createIncident(call: Call): Reply {
  const { data, now, token } = call
  const input = given<Input>(call, 'incident')
  const { title, urgency = 'high' } = changes(input)
  const index = data.services.findIndex(({ id }) => id === input.service?.id)
  const service = data.services[index]
  if (title === undefined || !service) throw invalidInput('"title" and "service" are required')
  const key = typeof input.incident_key === 'string' ? input.incident_key : randomUUID().replaceAll('-', '')
  const open = data.incidents.some(
    (one) => one.incident_key === key && one.service.id === service.id && one.status !== 'resolved',
  )
  if (open) throw argumentsCausedError('Open incident with matching dedup key already exists on this service')
  const told = {
    title,
    urgency,
    status: 'triggered',
    incident_key: key,
    incident_number: 4200 + data.incidents.length,
    created_at: new Date(now).toISOString(),
    service,
  }
  const id = `P${randomUUID().slice(0, 6).toUpperCase()}`
  const incident = incidentObject(token.delegation.account, told, data.oncalls[index]?.user, id)
  data.incidents.push(incident)
  return { status: 201, body: { incident } }
}

export function updateIncident(call: Call): Reply {
  const incident = find(call.data.incidents, call.id)
  update(incident, given(call, 'incident'), call)
  return { status: 200, body: { incident } }
}

/** All of them or none. */
export function updateIncidents(call: Call): Reply {
  const inputs = given<Input[]>(call, 'incidents')
  if (!Array.isArray(inputs)) throw invalidInput('"incidents" is no array')
  if (inputs.length > 250) throw new Refusal(apiError(413, 'Request Entity Too Large', 2001))
  const incidents = inputs.map((input) => find(call.data.incidents, (input as Input | null)?.id))
  inputs.forEach(changes)
  incidents.forEach((incident, index) => update(incident, inputs[index] as Input, call))
  return { status: 200, body: { incidents, limit: 25, offset: 0, total: null, more: false } }
}

function update(incident: Incident, input: Input, { now }: Call): void {
  Object.assign(incident, changes(input), { updated_at: new Date(now).toISOString() })
  incident.summary = incidentSummary(incident)
  if (incident.status === 'resolved') incident['assignments'] = []
}

/** What can be changed; other members are not kept. */
function changes(input: Input): { [Name in keyof typeof allowed]?: string } {
  const changed: Record<string, string> = {}
  for (const [name, values] of Object.entries(allowed)) {
    const value = input[name as keyof typeof allowed]
    if (value === undefined) continue
    if (
      typeof value !== 'string' ||
      value === '' ||
      (values && !(values as readonly string[]).includes(value))
    ) {
      throw invalidInput(`"${name}" is not ${values?.join(' or ') ?? 'a string'}`)
    }
    changed[name] = value
  }
  return changed
}

export function listNotes({ id: wanted, data }: Call): Reply {
  const { id } = find(data.incidents, wanted)
  return { status: 200, body: { notes: data.notes.get(id) ?? [] } }
}

export function addNote(call: Call): Reply {
  const { token, data, now } = call
  const { id } = find(data.incidents, call.id)
  const { content } = given<Input>(call, 'note')
  if (typeof content !== 'string' || content === '') throw invalidInput('Content cannot be empty')
  const author = data.users.find((user) => user.id === token.delegation.user?.id)
  const note = {
    id: randomUUID(),
    user: author ? reference(author) : null,
    content,
    created_at: new Date(now).toISOString(),
  }
  data.notes.set(id, [...(data.notes.get(id) ?? []), note])
  return { status: 201, body: { note } }
}
