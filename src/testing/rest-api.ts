import type { Request } from 'express'
import { attempt } from './answer'
import { bearerToken, requireScope } from './bearer'
import type { Token } from './tokens'
import type { Parts } from './parts'
import { RateLimiter } from './rate-limiter'
import { find, invalidInput } from './rest-call'
import type { Call } from './rest-call'
import { addNote, createIncident, listNotes, updateIncident, updateIncidents } from './rest-incidents'
import { list, lists } from './rest-lists'
import type { AccountData } from './sample-data'
import { bodyOf, queryOf } from './wire'
import type { Reply } from './wire'

type Method = 'get' | 'post' | 'put'

export type Operation = [method: Method, path: string, scope: string, run: (call: Call) => Reply]

/** What there is of the REST API, each with the scope that PagerDuty declares. */
export const operations: readonly Operation[] = [
  // PagerDuty declares no scope for this one; requiring that of similar operations is the strict interpretation.
  ['get', '/users/me', 'users.read', currentUser],
  ...(Object.keys(lists) as (keyof typeof lists)[]).flatMap(reading),
  ['post', '/incidents', 'incidents.write', createIncident],
  ['put', '/incidents', 'incidents.write', updateIncidents],
  ['put', '/incidents/:id', 'incidents.write', updateIncident],
  ['get', '/incidents/:id/notes', 'incidents.read', listNotes],
  ['post', '/incidents/:id/notes', 'incidents.write', addNote],
]

/** The part of the REST API that the simulator has, each account with its own data. */
export function restAPI(
  parts: Parts,
): { method: Method; path: string; run: (req: Request) => Promise<Reply> }[] {
  const limiter = new RateLimiter(parts.settings)
  return operations.map((operation) => ({
    method: operation[0],
    path: operation[1],
    async run(req) {
      const token = bearerToken(parts, req)
      const { headers, refusal } = limiter.admit(token)
      const reply = await attempt(() => {
        if (refusal) throw refusal
        const query = new URLSearchParams(queryOf(req))
        return perform(parts, token, operation, { id: req.params['id'] as string, body: bodyOf(req), query })
      })
      return { ...reply, headers: { ...reply.headers, ...headers } }
    },
  }))
}

/** Throws the error response if the call is rejected. */
export function perform(
  { data, settings }: Parts,
  token: Token,
  [method, path, scope, run]: Operation,
  input: Pick<Call, 'id' | 'body' | 'query'>,
): Reply {
  const { account, user } = token.delegation
  if (path === '/users/me' && !user) throw invalidInput('This operation needs the token of a user')
  requireScope(token, method === 'get', scope)
  return run({ ...input, token, data: data.get(account.id) as AccountData, now: settings.now() })
}

function reading(name: keyof typeof lists): Operation[] {
  const scope = `${name}.read`
  const all: Operation = ['get', `/${name}`, scope, (call) => list(name, call)]
  if (name === 'oncalls') return [all]
  const single = name === 'escalation_policies' ? 'escalation_policy' : name.slice(0, -1)
  const one = ({ id, data }: Call) => {
    return { status: 200, body: { [single]: find<{ id: string }>(data[name], id) } }
  }
  return [all, ['get', `/${name}/:id`, scope, one]]
}

function currentUser({ token, data }: Call): Reply {
  const id = token.delegation.user?.id
  return { status: 200, body: { user: data.users.find((user) => user.id === id) } }
}
