import type { Request } from 'express'
import { attempt } from './answer'
import { bearerToken, requireScope } from './bearer'
import type { Parts } from './parts'
import { RateLimiter } from './rate-limiter'
import { find, invalidInput } from './rest-call'
import type { Call } from './rest-call'
import { addNote, createIncident, listNotes, updateIncident, updateIncidents } from './rest-incidents'
import { list, lists } from './rest-lists'
import type { AccountData } from './sample-data'
import { queryOf } from './wire'
import type { Reply } from './wire'

type Method = 'get' | 'post' | 'put'

type Operation = [method: Method, path: string, scope: string, run: (call: Call) => Reply]

/** What there is of the REST API, each with the scope that PagerDuty declares. */
export const operations: readonly Operation[] = [
  // PagerDuty declares no scope for this one; asking for the one of its neighbours is the strict reading.
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
  const { data: stored, settings } = parts
  const limiter = new RateLimiter(settings)
  return operations.map(([method, path, scope, run]) => ({
    method,
    path,
    async run(req) {
      const token = bearerToken(parts, req)
      const { headers, refusal } = limiter.admit(token)
      const reply = await attempt(() => {
        if (refusal) throw refusal
        const data = stored.get(token.delegation.account.id) as AccountData
        if (path === '/users/me' && !token.delegation.user)
          throw invalidInput('This operation needs the token of a user')
        requireScope(token, req, scope)
        return run({ req, token, data, now: settings.now(), query: new URLSearchParams(queryOf(req)) })
      })
      return { ...reply, headers: { ...reply.headers, ...headers } }
    },
  }))
}

function reading(name: keyof typeof lists): Operation[] {
  const scope = `${name}.read`
  const all: Operation = ['get', `/${name}`, scope, (call) => list(name, call)]
  if (name === 'oncalls') return [all]
  const single = name === 'escalation_policies' ? 'escalation_policy' : name.slice(0, -1)
  const one = ({ req, data }: Call) => {
    return { status: 200, body: { [single]: find<{ id: string }>(data[name], req.params['id']) } }
  }
  return [all, ['get', `/${name}/:id`, scope, one]]
}

function currentUser({ token, data }: Call): Reply {
  const id = token.delegation.user?.id
  return { status: 200, body: { user: data.users.find((user) => user.id === id) } }
}
