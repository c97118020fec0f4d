import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type PagerDuty, type PagerDutyOptions, pagerduty } from '../../src'
import { type RunningApp, serve } from './app'
import { Browser } from './browser'

/** A request to the provider's token endpoint; all but `status` is known once there is a response. */
export interface Exchange {
  status: number
  clientID?: string
  grantType?: string
  /** Names of the parameters in the body, sorted. */
  keys?: string[]
  hasAuthorization?: boolean
  error?: string
}

/** What the provider has seen since it was started. */
export interface Seen {
  exchanges: Exchange[]
  revocations: { clientID: string; keys: string[]; status: number }[]
  /** Faults of the provider or its setup. */
  serverErrors: string[]
}

/** What a client is to the provider. */
export interface RegisteredClient {
  client_id: string
  client_secret?: string
}

/** panva's `oidc-provider` in a process of its own. */
export interface OIDCProvider {
  issuer: string
  /** Makes a client (RFC 7591). */
  register(metadata: Record<string, unknown>): Promise<RegisteredClient>
  /** Posts a form to one of its endpoints, past the library. */
  post(path: string, form: Record<string, string | undefined>): Promise<Response>
  seen(): Promise<Seen>
  /** Lets token requests wait until `release()`. */
  hold(): Promise<void>
  release(): Promise<void>
  /** Forgets an access token, and nothing else of its grant. */
  dropAccessToken(accessToken: string): Promise<void>
  close(): Promise<void>
}

/** Starts one. Access tokens live for an hour unless said otherwise. */
export async function startOIDCProvider(options: { accessTokenTTL?: number } = {}): Promise<OIDCProvider> {
  const settings = {
    accessTokenTTL: 3600,
    scopes: ['incidents.read', 'users.read', 'read', 'write'],
    ...options,
  }
  const child = fork(join(__dirname, 'oidc-server.mjs'), [JSON.stringify(settings)], {
    execArgv: ['--no-warnings'],
    // It warns of Node 20 and of its store in memory; what it says is of interest only when it does not start.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = once(child, 'exit')
  const failed = ended.then(() => Promise.reject(new Error(`The provider ended:\n${said}`)))
  const [issuer] = (await Promise.race([once(child, 'message'), failed])) as [string]
  failed.catch(() => {})

  let orders = 0
  function ask<T>(order: 'seen' | 'hold' | 'release' | 'dropAccessToken', value?: string): Promise<T> {
    const id = ++orders
    const answered = new Promise<T>((resolve) => {
      child.on('message', function listen(answer: { id: number; result: T }) {
        if (answer.id !== id) return
        child.off('message', listen)
        resolve(answer.result)
      })
    })
    child.send({ id, order, value })
    return Promise.race([answered, failed])
  }

  return {
    issuer,
    async register(metadata) {
      const headers = { 'Content-Type': 'application/json' }
      const answer = await fetch(`${issuer}/reg`, { method: 'POST', headers, body: JSON.stringify(metadata) })
      if (answer.status !== 201)
        throw new Error(`The provider does not register this: ${await answer.text()}`)
      return (await answer.json()) as RegisteredClient
    },
    post(path, form) {
      const given = Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined)
      return fetch(issuer + path, { method: 'POST', body: new URLSearchParams(given) })
    },
    seen: () => ask('seen'),
    hold: () => ask('hold'),
    release: () => ask('release'),
    dropAccessToken: (accessToken) => ask('dropAccessToken', accessToken),
    async close() {
      child.kill()
      await ended
    },
  }
}

/** What the user at the provider does. */
export interface Decision {
  user?: 'PACME01' | 'PGLBX01'
  deny?: boolean
  /** A scope that is not granted. */
  without?: string
}

/** Goes through the provider's login and consent in a fresh browser; returns where it sends the browser back to. */
export async function approve(authorizeURL: string, decision: Decision = {}): Promise<string> {
  const { user = 'PACME01', deny = false, without } = decision
  const { origin } = new URL(authorizeURL)
  const person = new Browser()
  let url = new URL(authorizeURL)
  for (let step = 0; step < 10; step++) {
    const answer = await person.visit(url.href)
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`The provider answered ${answer.status}: ${await answer.text()}`)
    url = new URL(location, url)
    if (url.origin !== origin) return url.href
    if (url.pathname.startsWith('/interaction/')) {
      url.searchParams.set('user', user)
      if (deny) url.searchParams.set('deny', '1')
      if (without !== undefined) url.searchParams.set('without', without)
    }
  }
  throw new Error('The provider sends the browser around in circles')
}

/** An API that knows no users: it asks the provider about each token, as a client of its own (RFC 7662). */
export interface ResourceServer extends RunningApp {
  /** Access tokens that requests came with, oldest first. */
  readonly presented: readonly string[]
}

/** Starts one. `GET /incidents` needs the scope `incidents.read` or Classic `read`. */
export async function startResourceServer(provider: OIDCProvider): Promise<ResourceServer> {
  const { client_id: id, client_secret: secret } = await provider.register({
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  })
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  const presented: string[] = []
  const running = await serve((express) => {
    express.get('/incidents', async (req, res) => {
      const [, token = ''] = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '') ?? []
      presented.push(token)
      const answer = await fetch(`${provider.issuer}/token/introspection`, {
        method: 'POST',
        headers: { authorization },
        body: new URLSearchParams({ token }),
      })
      const { active, scope = '', sub, client_id } = (await answer.json()) as Record<string, string | boolean>
      if (active !== true) return void res.status(401).json({ error: 'invalid_token' })
      const isGranted = /(^| )(incidents\.)?read( |$)/.test(String(scope))
      if (!isGranted) return void res.status(403).json({ error: 'insufficient_scope' })
      res.json({ incidents: [], sub, client_id, scope })
    })
  })
  return { ...running, presented }
}

/** `pd.auth()` in front of the provider, as a client of its own. */
export interface ProviderApp extends RunningApp {
  pd: PagerDuty
  clientID: string
  clientSecret: string | undefined
  /** What passes between the library and the token endpoint. */
  readonly wire: Wire
  /** How many requests have come as far as the guards. */
  readonly arrivals: () => number
  begin(browser: Browser): Promise<string>
  logIn(decision?: Decision): Promise<{ browser: Browser; finished: Response }>
  logOut(browser: Browser): Promise<Response>
  get(browser: Browser, path?: string): Promise<Response>
  /** The exchanges of this client. */
  exchanges(): Promise<Exchange[]>
  /** Presents a refresh token at the provider, past the library. */
  refreshByHand(refreshToken: string): Promise<Response>
}

/** Records what passes, and changes it where a test says so. */
export interface Wire {
  /** Token responses as the provider sent them, oldest first. */
  readonly answers: Record<string, string>[]
  changeForm?: ((form: URLSearchParams) => void) | undefined
  changeAnswer?: ((body: Record<string, string>) => void) | undefined
}

/** Starts an app: a confidential Scoped client, or a public Classic one. */
export async function startProviderApp(
  provider: OIDCProvider,
  api: ResourceServer,
  kind: 'scoped' | 'classic',
  options: PagerDutyOptions = {},
): Promise<ProviderApp> {
  const { issuer } = provider
  const wire: Wire = { answers: [] }
  let arrivals = 0
  let pd: PagerDuty | undefined
  let client: RegisteredClient | undefined
  const running = await serve(async (express, url) => {
    const callbackURL = `${url}/auth/pagerduty/callback`
    client = await provider.register({
      redirect_uris: [callbackURL],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: kind === 'scoped' ? 'client_secret_post' : 'none',
      scope: kind === 'scoped' ? 'openid incidents.read users.read' : 'openid read write',
    })
    const made = pagerduty({
      clientID: client.client_id,
      ...(client.client_secret === undefined ? {} : { clientSecret: client.client_secret }),
      appType: kind,
      callbackURL,
      // PagerDuty sends an id_token even if none was requested; OpenID Connect requires the request.
      scope: kind === 'scoped' ? ['openid', 'incidents.read', 'users.read'] : ['openid', 'read'],
      authorizationURL: `${issuer}/auth`,
      tokenURL: `${issuer}/token`,
      revocationURL: `${issuer}/token/revocation`,
      jwksURL: `${issuer}/jwks`,
      issuer,
      apiURL: api.url,
      fetch: tapped(`${issuer}/token`, wire),
      ...options,
    })
    pd = made
    express.use(made.auth(), (_req, _res, next) => {
      arrivals++
      next()
    })
    express.get('/', (req, res) => void res.json({ user: req.user ?? null }))
    express.get(
      '/me',
      made.requireLogin(),
      ({ pagerduty: { user, grantedScopes, requestedScopes } }, res) => {
        res.json({ user, grantedScopes, requestedScopes })
      },
    )
    express.get('/token', made.requireLogin(), async (req, res) => {
      res.json(await req.pagerduty.getAccessToken())
    })
    express.get('/incidents', made.requireLogin(), async (req, res) => {
      const answer = await req.pagerduty.fetch('/incidents')
      res.status(answer.status).json(await answer.json())
    })
    if (kind === 'scoped')
      express.get('/users', made.requireScopes('users.read'), (_req, res) => void res.json([]))
    express.use(made.errors())
  })
  const { client_id: clientID, client_secret: clientSecret } = client as unknown as RegisteredClient
  const app: ProviderApp = {
    ...running,
    pd: pd as unknown as PagerDuty,
    clientID,
    clientSecret,
    wire,
    arrivals: () => arrivals,
    async begin(browser) {
      const begun = await browser.visit(`${running.url}/auth/pagerduty?returnTo=/me`)
      return begun.headers.get('location') as string
    },
    async logIn(decision) {
      const browser = new Browser()
      const callback = await approve(await app.begin(browser), decision)
      return { browser, finished: await browser.fetch(callback) }
    },
    logOut: (browser) =>
      browser.fetch(`${running.url}/auth/pagerduty/logout`, {
        method: 'POST',
        headers: { 'Sec-Fetch-Site': 'same-origin' },
      }),
    get: (browser, path = '/incidents') => browser.fetch(running.url + path),
    exchanges: async () =>
      (await provider.seen()).exchanges.filter((exchange) => exchange.clientID === clientID),
    refreshByHand: (refreshToken) =>
      provider.post('/token', {
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        client_id: clientID,
        client_secret: clientSecret,
      }),
    async close() {
      await app.pd.close()
      await running.close()
    },
  }
  return app
}

function tapped(tokenURL: string, wire: Wire): typeof fetch {
  return async (url, init) => {
    if (url !== tokenURL) return fetch(url, init)
    const form = new URLSearchParams(init?.body as string)
    wire.changeForm?.(form)
    const answer = await fetch(url, { ...init, body: form.toString() })
    const body = (await answer.json()) as Record<string, string>
    wire.answers.push({ ...body })
    wire.changeAnswer?.(body)
    return Response.json(body, { status: answer.status })
  }
}
