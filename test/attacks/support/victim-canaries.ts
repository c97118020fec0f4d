import { Console } from 'node:console'
import { inspect } from 'node:util'
import type { Express, NextFunction, Request, Response } from 'express'
import { type PagerDuty, type PagerDutyEvents, type PagerDutyOptions, apiError } from '../../../src'

const all = { depth: 12, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }
const events: (keyof PagerDutyEvents)[] = [
  'login',
  'partialGrant',
  'loginFailed',
  'logout',
  'refresh',
  'refreshFailed',
  'appToken',
  'appTokenFailed',
  'webhook',
  'warning',
]

/** Writes a value out in every way that a careless developer knows. */
function write(title: string, value: unknown): void {
  const out = new Console(process.stdout)
  out.log(title, inspect(value, all), String(value))
  out.log(asJSON(value))
  if (typeof value !== 'object' || value === null) return
  const inherited: unknown[] = []
  for (const name in value) inherited.push(name, (value as Record<string, unknown>)[name])
  out.log(inspect([{ ...value }, Object.assign({}, value), inherited, Object.entries(value)], all))
  out.table(value)
  out.dir(value, { depth: 12, showHidden: true })
  if (value instanceof Error) out.error(value.stack, value.cause)
  try {
    out.log(inspect(structuredClone(value), all))
  } catch {
    // What has functions cannot be cloned.
  }
}

function asJSON(value: unknown): string {
  const seen = new Set<unknown>()
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return String(item)
    if (typeof item !== 'object' || item === null) return item
    if (seen.has(item)) return undefined
    seen.add(item)
    return item
  })
}

/** Options of an app that prints what `verify` gets. */
export const indiscreet: PagerDutyOptions = {
  verify: async ({ user, tokens, ...rest }) => {
    write('verify', tokens)
    write('verify', rest)
    return user
  },
}

/** An app that writes out everything it can get hold of, and routes that fail as PagerDuty does. */
export function tellAll(app: Express, pd: PagerDuty): void {
  for (const name of events) pd.on(name, (detail) => write(name, detail))
  process.on('warning', (warning) => write('warning', warning))
  type Handler = (req: Request, res: Response) => Promise<void>
  const caught = (handler: Handler) => (req: Request, res: Response, next: NextFunction) => {
    handler(req, res).catch((error: unknown) => {
      write('thrown', error)
      next(error)
    })
  }
  app.get('/all', (req, res) => {
    const { session, sessionStore } = req as Request & { session?: unknown; sessionStore?: unknown }
    const parts = { pd, strategy: pd.strategy, grants: pd.grants, appTokens: pd.appTokens }
    const held = { ...parts, login: req.pagerduty, session, sessionStore, user: req.user }
    for (const [name, value] of Object.entries(held)) write(name, value)
    // The whole of a server hangs on a request.
    process.stdout.write(inspect(req, { ...all, depth: 4 }))
    const { VICTIM: _given, ...env } = process.env
    write('process', { argv: process.argv, title: process.title, execArgv: process.execArgv, env })
    res.type('text').send(inspect(held, all) + asJSON(held))
  })
  app.get(
    '/api',
    pd.requireLogin(),
    caught(async (req, res) => {
      const answer = await req.pagerduty.fetch(String(req.query['path'] ?? '/incidents'))
      write('answer', answer)
      if (!answer.ok) throw await apiError(answer)
      await answer.body?.cancel()
      res.json('as the user')
    }),
  )
  app.get(
    '/app-token',
    caught(async (req, res) => {
      const token = await pd.appTokens.getToken(String(req.query['scope'] ?? 'incidents.read'))
      write('app token', token)
      write('app tokens', pd.appTokens)
      res.json(token)
    }),
  )
  app.post(
    '/indiscreet',
    pd.webhook(
      async (event, context) => {
        write('event', event)
        const { request: _request, ...rest } = context
        write('context', rest)
        write('token', await context.getToken('incidents.read'))
        if (event.event_type === 'incident.resolved') throw new Error('The handler failed')
      },
      { name: 'indiscreet' },
    ),
  )
}
