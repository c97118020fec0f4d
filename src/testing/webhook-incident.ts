import { randomUUID } from 'node:crypto'
import { reference } from './objects'
import type { Incident, Reference } from './objects'
import type { AccountData } from './sample-data'

/** An incident as webhooks show it, which is not how the REST API does. */
export function webhookIncident(incident: Incident, eventType: string): Record<string, unknown> {
  const { summary: _summary, updated_at: _updatedAt, incident_number, assignments = [], ...same } = incident
  return {
    ...same,
    number: incident_number,
    status: statusAfter(eventType, incident.status),
    assignees: (assignments as { assignee: Reference }[]).map(({ assignee }) => assignee),
    teams: [],
    priority: null,
    conference_bridge: null,
    resolve_reason: null,
    incident_type: { name: 'incident_default' },
  }
}

/** What happened to an incident: the incident is only referred to. */
export function incidentDetail(
  { users }: AccountData,
  incident: Incident,
  eventType: string,
): Record<string, unknown> {
  const refers = { incident: { ...reference(incident), summary: incident.title } }
  const user = users[0] ? reference(users[0]) : null
  const id = randomUUID()
  switch (eventType.split('.')[1]) {
    case 'annotated':
      return { ...refers, id, content: 'A note', trimmed: false, type: 'incident_note' }
    case 'status_update_published':
      return { ...refers, id, message: 'A status update', trimmed: false, type: 'incident_status_update' }
    case 'conference_bridge':
      return {
        ...refers,
        conference_numbers: [{ label: '', number: '+1-555-0100' }],
        conference_url: 'https://conference.example',
        type: 'incident_conference_bridge',
      }
    case 'custom_field_values':
      return { ...refers, ...fieldValues(), type: 'incident_field_values' }
    case 'responder': {
      const { escalation_policy } = incident
      const state = eventType.endsWith('added') ? 'pending' : 'accepted'
      return { ...refers, user, escalation_policy, message: 'Please help', state, type: 'incident_responder' }
    }
    case 'role': {
      const role = { id: 'PROLE00', type: 'role_reference', summary: 'Incident commander' }
      const assignment = { id, ...refers, role, assignee: user, old_assignee: null, status: 'active' }
      return {
        incident_role_assignments: [{ ...assignment, type: 'role_assignment_reference' }],
        type: 'incident_role_assignment',
      }
    }
    case 'task': {
      const status = eventType.endsWith('completed') ? 'done' : 'todo'
      const task = { id, name: 'A task', description: 'What there is to do', summary: 'A task' }
      return { ...refers, ...task, status, assignees: user ? [user] : [], type: 'incident_task' }
    }
    case 'workflow': {
      const workflow = { id: 'PFLOW00', type: 'incident_workflow_reference', summary: 'A workflow' }
      const trigger = { id: randomUUID(), type: 'workflow_trigger_reference', summary: 'A trigger' }
      const instance = { id, summary: 'A workflow', incident_workflow: workflow, workflow_trigger: trigger }
      return { ...refers, ...instance, service: incident.service, type: 'incident_workflow_instance' }
    }
    case 'action_invocation': {
      const action = { id: randomUUID(), type: 'action_reference', summary: 'An action' }
      return { ...refers, id, action, state: eventType.split('.')[2], type: 'incident_action_invocation' }
    }
    default:
      return { ...refers, id, type: 'incident_detail' }
  }
}

/** Values of custom fields, all of them and those that changed. */
export function fieldValues(): Record<string, unknown> {
  const field = { data_type: 'string', field_type: 'single_value', id: 'PFIELD0', name: 'environment' }
  const values = [{ ...field, type: 'field_value', value: 'production' }]
  return { custom_fields: values, changed_custom_fields: values }
}

function statusAfter(eventType: string, status: string): string {
  if (eventType === 'incident.resolved' || eventType === 'incident.acknowledged') return eventType.slice(9)
  return ['incident.triggered', 'incident.unacknowledged', 'incident.reopened'].includes(eventType)
    ? 'triggered'
    : status
}
