import { type Markup, html } from './html'
import { empty, table } from './layout'
import type { Incident, Service } from './pagerduty-api'
import { ago } from './time'

const columns = ['Number', 'Title', 'Status', 'Urgency', 'Service', 'Created']

export function incidentTable(incidents: readonly Incident[]): Markup {
  if (incidents.length === 0) return empty('There are no incidents in this account.')
  const open = incidents.filter(({ status }) => status !== 'resolved').length
  return html`<p class="lead">${open} open, ${incidents.length - open} resolved</p>
    ${table('incidents-table', columns, incidents.map(incidentRow))}`
}

function incidentRow({ incident_number, title, status, urgency, service, created_at }: Incident): Markup {
  return html`<tr role="row">
    <td role="cell" class="number">#${incident_number}</td>
    <th role="rowheader" scope="row">${title}</th>
    <td role="cell"><span class="status" data-status="${status}">${status}</span></td>
    <td role="cell" class="urgency" data-urgency="${urgency}">${urgency}</td>
    <td role="cell" class="service">${service?.summary ?? '–'}</td>
    <td role="cell" class="created"><time datetime="${created_at}">${ago(Date.parse(created_at))}</time></td>
  </tr>`
}

export function serviceList(services: readonly Service[]): Markup {
  if (services.length === 0) return empty('There are no services in this account.')
  return table('services-table', ['Name', 'Status'], services.map(serviceRow))
}

function serviceRow({ name, status }: Service): Markup {
  return html`<tr role="row">
    <th role="rowheader" scope="row">${name}</th>
    <td role="cell"><span data-status="${status}">${status}</span></td>
  </tr>`
}
