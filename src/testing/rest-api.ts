import type { Request } from 'express'
import { randomUUID } from 'node:crypto'
import { bearerToken, requireScope } from './bearer'
import type { Token } from './grants'
import type { Parts } from './parts'
import { RateLimiter } from './rate-limiter'
import { reference } from './sample-data'
import type { AccountData, Reference } from './sample-data'
import { bodyOf, queryOf, Refusal } from './wire'
import type { Reply } from './wire'

interface Call {
  req: Request
  token: Token
  data: AccountData
  now: number
  query: URLSearchParams
}

type Method = 'get' | 'post' | 'put'

interface Operation {
  method: Method
  path: string
  scope: string
  run: (call: Call) => Reply
}

const operations: readonly Operation[] = [
  // PagerDuty declares no scope for this one; asking for the one of its neighbours is the strict reading.
  { method: 'get', path: '/users/me', scope: 'users.read', run: currentUser },
  { method: 'get', path: '/users/:id', scope: 'users.read', run: one('user', 'users') },
  { method: 'get', path: '/users', scope: 'users.read', run: all('users', 'users') },
  { method: 'get', path: '/incidents', scope: 'incidents.read', run: listIncidents },
  { method: 'get', path: '/incidents/:id', scope: 'incidents.read', run: one('incident', 'incidents') },
  { method: 'put', path: '/incidents/:id', scope: 'incidents.write', run: updateIncident },
  { method: 'get', path: '/incidents/:id/notes', scope: 'incidents.read', run: listNotes },
  { method: 'post', path: '/incidents/:id/notes', scope: 'incidents.write', run: addNote },
  { method: 'get', path: '/services', scope: 'services.read', run: all('services', 'services') },
  { method: 'get', path: '/oncalls', scope: 'oncalls.read', run: all('oncalls', 'onCalls') },
]

/** The part of the REST API that the stand-in has, each account with its own data. */
export function restAPI(parts: Parts): { method: Method; path: string; run: (req: Request) => Reply }[] {
  const { data: stored, settings } = parts
  const limiter = new RateLimiter(settings)
  return operations.map(({ method, path, scope, run }) => ({
    method,
    path,
    run: (req) => {
      const token = bearerToken(parts, req)
      const headers = limiter.admit(token)
      const data = stored.get(token.delegation.account.id)
      if (!data) throw notFound()
      if (path === '/users/me') requireUser(token)
      requireScope(token, req, scope)
      const reply = run({ req, token, data, now: settings.now(), query: new URLSearchParams(queryOf(req)) })
      return { ...reply, headers: { ...reply.headers, ...headers } }
    },
  }))
}

/** An error body of the REST API, which is not that of OAuth. */
export function apiError(status: number, message: string, code: number, errors?: string[]): Reply {
  return { status, body: { error: { message, code, ...(errors && { errors }) } } }
}

function requireUser({ delegation }: Token): void {
  if (delegation.user) return
  throw new Refusal(
    apiError(400, 'Invalid Input Provided', 2001, ['This operation needs the token of a user']),
  )
}

function currentUser({ token, data }: Call): Reply {
  const id = token.delegation.user?.id
  return { status: 200, body: { user: data.users.find((user) => user.id === id) } }
}

function listIncidents(call: Call): Reply {
  const filters = [
    ['status', call.query.getAll('statuses[]')],
    ['urgency', call.query.getAll('urgencies[]')],
  ] as const
  const chosen = call.data.incidents.filter((incident) =>
    filters.every(([name, allowed]) => allowed.length === 0 || allowed.includes(incident[name])),
  )
  return list('incidents', chosen, call)
}

/** Acknowledges or resolves. Other changes are not kept. */
function updateIncident({ req, data, now }: Call): Reply {
  const incident = find(data.incidents, req)
  const status = textIn(bodyOf(req), 'incident', 'status')
  if (status !== 'acknowledged' && status !== 'resolved') {
    return apiError(400, 'Invalid Input Provided', 2001, ['Status must be "acknowledged" or "resolved"'])
  }
  if (incident.status === 'resolved') {
    return apiError(400, 'Invalid Input Provided', 2001, ['Incident Already Resolved'])
  }
  Object.assign(incident, { status, updated_at: new Date(now).toISOString() })
  return { status: 200, body: { incident } }
}

function listNotes({ req, data }: Call): Reply {
  const { id } = find(data.incidents, req)
  return { status: 200, body: { notes: data.notes.get(id) ?? [] } }
}

function addNote({ req, token, data, now }: Call): Reply {
  const { id } = find(data.incidents, req)
  const content = textIn(bodyOf(req), 'note', 'content')
  if (!content) return apiError(400, 'Invalid Input Provided', 2001, ['Content cannot be empty'])
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

function textIn(body: string, object: string, member: string): string | undefined {
  try {
    const parsed = JSON.parse(body) as Record<string, Record<string, unknown> | null> | null
    const text = parsed?.[object]?.[member]
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}

function one(name: string, kind: 'users' | 'incidents'): Operation['run'] {
  return ({ req, data }) => ({ status: 200, body: { [name]: find<Reference>(data[kind], req) } })
}

function all(name: string, kind: 'users' | 'services' | 'onCalls'): Operation['run'] {
  return (call) => list(name, call.data[kind], call)
}

function list(name: string, items: readonly unknown[], { query }: Call): Reply {
  const limit = Math.min(Math.max(Number(query.get('limit')) || 25, 1), 100)
  const offset = Math.max(Number(query.get('offset')) || 0, 0)
  const more = items.length > offset + limit
  return {
    status: 200,
    body: { [name]: items.slice(offset, offset + limit), limit, offset, total: null, more },
  }
}

function find<Item extends { id: string }>(items: readonly Item[], req: Request): Item {
  const item = items.find(({ id }) => id === req.params['id'])
  if (!item) throw notFound()
  return item
}

function notFound(): Refusal {
  return new Refusal(apiError(404, 'Not Found', 2100))
}
