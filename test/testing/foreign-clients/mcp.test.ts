import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Simulator } from '../../../src/testing'
import { appToken, logIn, simulators } from '../support'

const { start } = simulators()
const agents: Client[] = []
afterEach(() => Promise.all(agents.splice(0).map((agent) => agent.close())))

/** A client of the MCP SDK; `auto` requests the newest revision first. */
async function connect(
  simulator: Simulator,
  token: string,
  mode: 'legacy' | 'auto' = 'legacy',
): Promise<Client> {
  const agent = new Client({ name: 'agent', version: '1' }, { versionNegotiation: { mode } })
  agents.push(agent)
  const requestInit = { headers: { Authorization: `Bearer ${token}` } }
  await agent.connect(new StreamableHTTPClientTransport(new URL('/mcp', simulator.url), { requestInit }))
  return agent
}

test.each(['legacy', 'auto'] as const)('lists tools and calls them, by negotiation %s', async (mode) => {
  const simulator = await start()
  const agent = await connect(simulator, (await logIn(simulator)).accessToken, mode)
  expect(agent.getServerVersion()).toMatchObject({ name: 'PagerDuty MCP Server' })
  const { tools } = await agent.listTools()
  expect(tools.map(({ name }) => name)).toEqual([
    'list_incidents',
    'get_incident',
    'list_services',
    'get_user_data',
  ])
  const found = await agent.callTool({
    name: 'list_incidents',
    arguments: { statuses: ['resolved'], limit: 1 },
  })
  const { response } = found.structuredContent as { response: { id: string; status: string }[] }
  expect(response).toMatchObject([{ status: 'resolved' }])
  const one = await agent.callTool({ name: 'get_incident', arguments: { incident_id: response[0]?.id } })
  expect(one.structuredContent).toEqual(response[0])
  expect(one.content).toMatchObject([{ type: 'text', text: JSON.stringify(response[0]) }])
  const me = await agent.callTool({ name: 'get_user_data' })
  expect(me.structuredContent).toMatchObject({ id: 'PACME01' })
  await agent.ping()
})

it('reports errors of the REST API in a tool’s result', async () => {
  const simulator = await start()
  const agent = await connect(simulator, (await logIn(simulator)).accessToken)
  const call = async (name: string, given: Record<string, string> = {}) => {
    const { isError, content } = await agent.callTool({ name, arguments: given })
    return [isError, (content as { text: string }[])[0]?.text]
  }
  expect(await call('list_services')).toEqual([true, expect.stringContaining('"services.read"')])
  expect(await call('get_incident', { incident_id: 'PNOPE' })).toEqual([
    true,
    expect.stringContaining('Not Found'),
  ])
  await expect(call('delete_everything')).rejects.toThrow('Unknown tool')
})

it('takes app tokens, but for what needs a user', async () => {
  const simulator = await start()
  const { body } = await appToken(simulator, 'as_account-us.acme incidents.read users.read')
  const agent = await connect(simulator, String(body['access_token']))
  expect((await agent.callTool({ name: 'list_incidents' })).isError).toBeUndefined()
  expect((await agent.callTool({ name: 'get_user_data' })).isError).toBe(true)
})

it('turns a token away that has ended, as the REST API does', async () => {
  const simulator = await start()
  const { accessToken } = await logIn(simulator)
  const agent = await connect(simulator, accessToken)
  simulator.revokeAll()
  await expect(agent.listTools()).rejects.toMatchObject({ data: { status: 401 } })
  await expect(connect(simulator, accessToken)).rejects.toMatchObject({ data: { status: 401 } })
})

it('rejects a request by another revision than its own, as the specification has it', async () => {
  const simulator = await start()
  const { accessToken } = await logIn(simulator)
  const ping = async (version?: string) => {
    const headers = {
      Authorization: `Bearer ${accessToken}`,
      ...(version !== undefined && { 'MCP-Protocol-Version': version }),
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
    return (await fetch(`${simulator.url}/mcp`, { method: 'POST', headers, body })).status
  }
  expect([await ping(), await ping('2025-06-18'), await ping('2025-03-26'), await ping('')]).toEqual([
    200, 200, 400, 400,
  ])
})

it('counts and fails as the REST API', async () => {
  const simulator = await start()
  const agent = await connect(simulator, (await logIn(simulator)).accessToken)
  simulator.resetCalls()
  simulator.failNext('api', '503')
  await expect(agent.listTools()).rejects.toMatchObject({ data: { status: 503 } })
  expect(simulator.calls.api).toBe(1)
})
