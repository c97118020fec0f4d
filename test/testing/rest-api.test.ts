import type { Simulator } from '../../src/testing'
import { api, appToken, classicClient, logIn, simulators, statusOf, tokensOf } from './support'

const { start, pass } = simulators()

const everything = { scope: 'incidents.read incidents.write users.read services.read oncalls.read' }

async function json(simulator: Simulator, token: string, path: string): Promise<Record<string, unknown>> {
  return (await (await api(simulator, token, path)).json()) as Record<string, unknown>
}

async function incidents(
  simulator: Simulator,
  token: string,
  search = '',
): Promise<Record<string, unknown>[]> {
  return (await json(simulator, token, `/incidents${search}`))['incidents'] as Record<string, unknown>[]
}

async function note(simulator: Simulator, token: string, id: string, content: string): Promise<Response> {
  return api(simulator, token, `/incidents/${id}/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ note: { content } }),
  })
}

describe('the REST API', () => {
  it('rejects an unknown token with a 401 that is not JSON', async () => {
    const simulator = await start()
    for (const token of ['', 'unknown']) {
      const answer = await api(simulator, token, '/incidents')
      expect(answer.status).toBe(401)
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
    }
  })

  it('names the missing scope in a 403 without a code', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, { scope: 'users.read incidents.write' })
    const answer = await api(simulator, accessToken, '/incidents')
    expect(answer.status).toBe(403)
    expect(await answer.json()).toEqual({
      error: {
        message: 'Token missing required scopes',
        required_scopes: 'incidents.read',
        token_scopes: 'openid users.read incidents.write',
      },
    })
  })

  it('lets Classic read with read or write, and write with write', async () => {
    const simulator = await start({ clients: [classicClient] })
    const reader = await logIn(simulator, { scope: 'read' })
    const writer = await logIn(simulator, { scope: 'write' })
    const id = String((await incidents(simulator, reader.accessToken))[0]?.['id'])
    expect(await statusOf(simulator, writer.accessToken)).toBe(200)
    expect((await note(simulator, reader.accessToken, id, 'Hello')).status).toBe(403)
    expect((await note(simulator, writer.accessToken, id, 'Hello')).status).toBe(201)
  })

  it('knows the user of a user token, and rejects an app token for it', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, {}, 'PGLBX01')
    expect(await json(simulator, accessToken, '/users/me')).toMatchObject({
      user: { id: 'PGLBX01', type: 'user' },
    })

    const app = tokensOf((await appToken(simulator, 'as_account-us.acme users.read')).body)
    const refused = await api(simulator, app.accessToken, '/users/me')
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { code: 2001, errors: [expect.any(String)] } })
  })

  it('shows each account its own data only', async () => {
    const simulator = await start()
    const [acme, globex] = [await logIn(simulator, everything), await logIn(simulator, everything, 'PGLBX01')]
    const [here, there] = [
      await incidents(simulator, acme.accessToken),
      await incidents(simulator, globex.accessToken),
    ]
    expect(here.map(({ id }) => id)).not.toEqual(there.map(({ id }) => id))
    const id = String(here[0]?.['id'])
    expect(await json(simulator, acme.accessToken, `/incidents/${id}`)).toMatchObject({ incident: { id } })
    expect(await statusOf(simulator, globex.accessToken, `/incidents/${id}`)).toBe(404)
    expect(await statusOf(simulator, acme.accessToken, '/users/PACME02')).toBe(200)
    expect(await statusOf(simulator, acme.accessToken, '/users/PGLBX01')).toBe(404)
  })

  it('has incidents of several kinds that began not long ago, and can filter and page them', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, everything)
    const all = await incidents(simulator, accessToken)
    expect(new Set(all.map(({ status }) => status))).toEqual(
      new Set(['triggered', 'acknowledged', 'resolved']),
    )
    expect(new Set(all.map(({ urgency }) => urgency))).toEqual(new Set(['high', 'low']))
    for (const incident of all) expect(Date.parse(String(incident['created_at']))).toBeLessThan(Date.now())

    const triggered = await incidents(simulator, accessToken, '?statuses[]=triggered&urgencies[]=high')
    expect(triggered.length).toBeGreaterThan(0)
    expect(triggered.length).toBeLessThan(all.length)
    const page = await json(simulator, accessToken, '/incidents?limit=2&offset=1')
    expect(page).toMatchObject({ incidents: all.slice(1, 3), limit: 2, offset: 1, more: true })
  })

  it('lists users, services and who is on call', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, everything)
    expect((await json(simulator, accessToken, '/users'))['users']).toHaveLength(2)
    expect((await json(simulator, accessToken, '/services'))['services']).toHaveLength(4)
    expect((await json(simulator, accessToken, '/oncalls'))['oncalls']).toHaveLength(4)
  })

  it('keeps notes', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator, everything)
    const id = String((await incidents(simulator, accessToken))[0]?.['id'])
    const answer = await note(simulator, accessToken, id, 'Looking into it')
    expect(answer.status).toBe(201)
    const { notes } = await json(simulator, accessToken, `/incidents/${id}/notes`)
    expect(notes).toMatchObject([{ content: 'Looking into it', user: { id: 'PACME01' } }])
    expect((await note(simulator, accessToken, id, '')).status).toBe(400)
    expect((await note(simulator, accessToken, 'PNONE', 'x')).status).toBe(404)
  })

  it('says that it is the simulator which lacks an operation', async () => {
    const answer = await fetch(`${(await start()).url}/priorities?limit=1`)
    expect(answer.status).toBe(404)
    const error = { message: 'The simulator has no GET /priorities', code: 2100 }
    expect(await answer.json()).toEqual({ error })
  })

  it('limits calls per user and minute', async () => {
    const simulator = await start({ rateLimit: { limit: 2 } })
    const [ada, ben] = [await logIn(simulator), await logIn(simulator, {}, 'PACME02')]
    const first = await api(simulator, ada.accessToken, '/incidents')
    expect(first.headers.get('ratelimit-limit')).toBe('2')
    expect(first.headers.get('ratelimit-remaining')).toBe('1')
    expect(await statusOf(simulator, ada.accessToken)).toBe(200)

    const third = await api(simulator, ada.accessToken, '/incidents')
    expect(third.status).toBe(429)
    expect(await third.json()).toEqual({ error: { message: 'Rate Limit Exceeded', code: 2020 } })
    expect(Number(third.headers.get('ratelimit-reset'))).toBeLessThanOrEqual(60)
    expect(await statusOf(simulator, ben.accessToken)).toBe(200)
    pass(61)
    expect(await statusOf(simulator, ada.accessToken)).toBe(200)
  })

  it('reports what is left of the limit in every response to a known token, and in a simulated 429', async () => {
    const simulator = await start()
    const { accessToken } = await logIn(simulator)
    const left = async (path: string) => {
      const { status, headers } = await api(simulator, accessToken, path)
      return [status, ...['limit', 'remaining', 'reset'].map((name) => headers.get(`ratelimit-${name}`))]
    }
    expect(await left('/incidents')).toEqual([200, '960', '959', '60'])
    pass(10)
    expect(await left('/incidents/PNOPE')).toEqual([404, '960', '958', '50'])
    expect(await left('/services')).toEqual([403, '960', '957', '50'])
    simulator.failNext('api', '429')
    expect(await left('/incidents')).toEqual([429, '960', '0', '1'])
  })
})
