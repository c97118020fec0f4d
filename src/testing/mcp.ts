import type { Request } from 'express'
import { bearerToken } from './bearer'
import type { Token } from './tokens'
import type { Parts } from './parts'
import { type Operation, operations, perform } from './rest-api'
import { type Reply, Refusal, bodyOf } from './wire'

interface Message {
  id?: string | number
  method?: unknown
  params?: { name?: string; arguments?: Arguments }
}

type Arguments = Record<string, string | number | readonly string[] | null>

const text = { type: 'string' }
const texts = { type: 'array', items: text }
const limit = { type: 'integer' }

const protocolVersion = '2025-06-18'

/** Some of PagerDuty's tools that read: what they do, the path of the REST API that they call, and their arguments. */
const tools: Readonly<Record<string, [about: string, path: string, properties: Record<string, object>]>> = {
  list_incidents: [
    'List incidents with optional filtering.',
    '/incidents',
    { statuses: texts, urgencies: texts, since: text, until: text, limit },
  ],
  get_incident: ['Get a specific incident.', '/incidents/:id', { incident_id: text }],
  list_services: ['List all services.', '/services', { query: text, limit }],
  get_user_data: ["Get the current user's data.", '/users/me', {}],
}

/** `POST /mcp`: Streamable HTTP without sessions and streams, as the revision allows that PagerDuty's documentation refers to. */
export function mcp(parts: Parts, req: Request): Reply {
  const token = bearerToken(parts, req)
  // Section "Protocol Version Header" of the specification.
  const { 'mcp-protocol-version': version = protocolVersion } = req.headers
  if (version !== protocolVersion) throw badMessage(-32600, 'Unsupported protocol version')
  const { id, method, params = {} } = messageIn(req)
  if (id === undefined) return { status: 202, body: '' }
  const answer = (what: object): Reply => ({ status: 200, body: { jsonrpc: '2.0', id, ...what } })
  switch (method) {
    case 'initialize': {
      const serverInfo = { name: 'PagerDuty MCP Server', version: 'simulator' }
      return answer({ result: { protocolVersion, capabilities: { tools: {} }, serverInfo } })
    }
    case 'ping':
      return answer({ result: {} })
    case 'tools/list':
      return answer({ result: { tools: Object.entries(tools).map(describe) } })
    case 'tools/call': {
      const { name = '', arguments: given = {} } = params
      return Object.hasOwn(tools, name)
        ? answer({ result: call(parts, token, name, given) })
        : answer({ error: { code: -32602, message: `Unknown tool: ${name}` } })
    }
    default:
      return answer({ error: { code: -32601, message: 'Method not found' } })
  }
}

function messageIn(req: Request): Message {
  try {
    const message = JSON.parse(bodyOf(req)) as Message | null
    if (typeof message?.method === 'string') return message
  } catch {}
  throw badMessage(-32700, 'Parse error')
}

function badMessage(code: number, message: string): Refusal {
  return new Refusal({ status: 400, body: { jsonrpc: '2.0', id: null, error: { code, message } } })
}

function describe([name, [description, , properties]]: [string, (typeof tools)[string]]): object {
  const required = Object.keys(properties).filter((property) => property.endsWith('_id'))
  const annotations = { readOnlyHint: true }
  return { name, description, inputSchema: { type: 'object', properties, required }, annotations }
}

/** What went wrong in a tool is a result, so that the model reads it. */
function call(parts: Parts, token: Token, name: string, given: Arguments): object {
  const [, path, properties] = tools[name] as (typeof tools)[string]
  const operation = operations.find((one) => one[1] === path) as Operation
  const query = new URLSearchParams()
  for (const [property, value] of Object.entries(given)) {
    if (!Object.hasOwn(properties, property) || value === null) continue
    for (const one of [value].flat())
      query.append(Array.isArray(value) ? `${property}[]` : property, String(one))
  }
  try {
    const input = { id: String(given['incident_id']), body: '', query }
    const { body } = perform(parts, token, operation, input)
    const [found] = Object.values(body as Record<string, object>)
    const structuredContent = Array.isArray(found) ? { response: found } : (found as object)
    return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const reason = `Error executing tool ${name}: ${JSON.stringify(error.reply.body)}`
    return { content: [{ type: 'text', text: reason }], isError: true }
  }
}
