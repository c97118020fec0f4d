import {
  type WebhookEvent,
  type WebhookEventType,
  type WebhookIncident,
  type WebhookIncidentDetail,
  type WebhookRoleAssignments,
  type WebhookService,
  type WebhookServiceDetail,
  incidentIDOf,
  webhookEventTypes,
} from '../../src'
import { isKnownEvent } from '../../src/webhooks/events'

/** True only for the same type; otherwise `tsc` rejects the file. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

type Of<Type extends WebhookEventType> = Extract<WebhookEvent, { event_type: Type }>

const proofs: true[] = [
  true satisfies Same<WebhookEvent['event_type'], WebhookEventType>,
  true satisfies Same<Of<'incident.triggered'>['data'], WebhookIncident>,
  true satisfies Same<Of<'incident.incident_type.changed'>['data'], WebhookIncident>,
  true satisfies Same<Of<'incident.annotated'>['data'], WebhookIncidentDetail>,
  true satisfies Same<Of<'incident.role.assigned'>['data'], WebhookRoleAssignments>,
  true satisfies Same<Of<'service.updated'>['data'], WebhookService>,
  true satisfies Same<Of<'service.custom_field_values.updated'>['data'], WebhookServiceDetail>,
  true satisfies Same<Of<'service.updated'>['resource_type'], 'service'>,
  true satisfies Same<Of<'incident.task.created'>['resource_type'], 'incident'>,
  true satisfies Same<Extract<WebhookEvent, { event_type: 'pagey.ping' }>, never>,
]

/** What `event_type` says, `data` is. */
function told(event: WebhookEvent): string {
  switch (event.event_type) {
    case 'incident.triggered':
      return `${event.data.title} ${event.data.urgency} ${event.data.service?.id}`
    case 'incident.annotated':
      return `${event.data.incident.id} ${String(event.data['content'])}`
    case 'incident.role.assigned':
      return event.data.incident_role_assignments.map(({ role }) => role.id).join()
    case 'service.custom_field_values.updated':
      return event.data.service.id
    case 'service.created':
      return event.data.id
    default:
      return event.agent?.id ?? event.client?.name ?? event.occurred_at
  }
}

const event = (event_type: WebhookEventType, data: unknown) =>
  ({
    id: '1',
    event_type,
    resource_type: event_type.split('.')[0],
    occurred_at: '',
    agent: null,
    client: null,
    data,
  }) as WebhookEvent

test('the union has a member for each of the thirty documented types, with the data that it brings', () => {
  expect(proofs).not.toContain(false)
  expect(new Set(webhookEventTypes).size).toBe(30)
  expect(webhookEventTypes.every((event_type) => isKnownEvent({ event_type }))).toBe(true)
  expect(
    ['pagey.ping', 'incident.sung_about', '__proto__', 'toString'].some((type) =>
      isKnownEvent({ event_type: type }),
    ),
  ).toBe(false)
  expect(told(event('incident.triggered', { title: 'Fire', urgency: 'high', service: null }))).toBe(
    'Fire high undefined',
  )
})

test.each<[string, WebhookEventType, unknown, string | undefined]>([
  ['the incident itself', 'incident.triggered', { type: 'incident', id: 'P1' }, 'P1'],
  [
    'what refers to it',
    'incident.annotated',
    { type: 'incident_note', id: 'N1', incident: { id: 'P1' } },
    'P1',
  ],
  [
    'a list that refers to it',
    'incident.role.assigned',
    { type: 'incident_role_assignment', incident_role_assignments: [{ incident: { id: 'P1' } }] },
    'P1',
  ],
  ['an empty list', 'incident.role.assigned', { incident_role_assignments: [] }, undefined],
  ['a service', 'service.updated', { type: 'service', id: 'S1' }, undefined],
  ['a note on nothing', 'incident.annotated', { type: 'incident_note', id: 'N1', incident: null }, undefined],
  ['an incident without an id', 'incident.triggered', { type: 'incident', id: 7 }, undefined],
])('incidentIDOf finds the incident of %s', (_what, type, data, expected) => {
  expect(incidentIDOf(event(type, data))).toBe(expected)
})
