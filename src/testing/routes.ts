import express from 'express'
import type { ErrorRequestHandler, Express, Request, RequestHandler } from 'express'
import { answer, send } from './answer'
import { decideAuthorize, showAuthorize } from './authorize-endpoint'
import { countTokenCall } from './calls'
import type { Calls } from './calls'
import { type FaultQueue, type Target, requireFault } from './faults'
import { jwks, openIDConfiguration, userinfo } from './identity-documents'
import { mcp } from './mcp'
import type { Parts } from './parts'
import { restAPI } from './rest-api'
import { notFound } from './rest-call'
import { revoke, token } from './token-endpoint'
import { apiError, bodyOf, oauthError } from './wire'
import type { Reply } from './wire'

/** What the simulator observes and disturbs while it responds. */
export interface Observation {
  calls: () => Calls
  faults: FaultQueue
  /** Serves more below `/__simulator/`. */
  control: RequestHandler | undefined
}

/** Every path of the simulator. PagerDuty's discovery document names other addresses than its documentation: both are here. */
export function routes(parts: Parts, { calls, faults, control }: Observation): Express {
  const { settings, grants } = parts
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(express.text({ type: () => true, limit: '256kb' }))

  const serve = (
    target: Exclude<Target, 'token'>,
    run: (parts: Parts, req: Request) => Reply | Promise<Reply>,
  ): RequestHandler =>
    function serveRoute(req, res, next) {
      if (!(target === 'authorize' && req.method === 'POST')) calls()[target] += 1
      const latency = target === 'api' ? settings.apiLatency : 0
      answer(res, () => run(parts, req), { target, fault: faults.next(target), latency }).catch(next)
    }

  const serveToken: RequestHandler = function serveToken(req, res, next) {
    const grantType = new URLSearchParams(bodyOf(req)).get('grant_type') ?? undefined
    countTokenCall(calls(), grantType)
    // A function of plain JavaScript may return null where there is none.
    const fault = faults.next('token') ?? settings.tokenFault?.(grantType) ?? undefined
    if (fault !== undefined) requireFault(fault, 'tokenFault')
    answer(res, () => token(parts, req), { target: 'token', fault, latency: settings.tokenLatency }).catch(
      next,
    )
  }

  app.get(['/oauth/authorize', '/global/oauth/authorize'], serve('authorize', showAuthorize))
  app.post(['/oauth/authorize', '/global/oauth/authorize'], serve('authorize', decideAuthorize))
  app.post(['/oauth/token', '/global/oauth/token'], serveToken)
  app.post(['/oauth/revoke', '/global/oauth/revoke'], serve('revoke', revoke))
  app.get('/global/oauth/userinfo', serve('userinfo', userinfo))
  app.get('/global/oauth/anonymous/jwks', serve('jwks', jwks))
  app.get('/global/oauth/anonymous/.well-known/openid-configuration', (_req, res) =>
    send(res, openIDConfiguration(parts)),
  )
  for (const { method, path, run } of restAPI(parts)) {
    app[method](
      path,
      serve('api', (_parts, req) => run(req)),
    )
  }
  app.post('/mcp', serve('api', mcp))
  // Where there is no stream to listen to, as the specification has it.
  app.get('/mcp', (_req, res) => send(res, { status: 405, headers: { Allow: 'POST' }, body: '' }))
  app.get('/__simulator/calls', (_req, res) =>
    send(res, { status: 200, body: { ...calls(), reuses: grants.reuses } }),
  )
  if (control) app.use('/__simulator', control)
  app.use((req, res) => send(res, notFound(`The simulator has no ${req.method} ${req.path}`).reply))
  app.use(answerFailure)
  return app
}

// Express counts the parameters to recognize an error handler.
const answerFailure: ErrorRequestHandler = (error: { status?: number; message: string }, req, res, next) => {
  const { status = 500, message } = error
  if (res.headersSent) next(error)
  else if (req.path.includes('/oauth/'))
    send(res, oauthError(status < 500 ? 'invalid_request' : 'server_error', message, status))
  else send(res, apiError(status, message, status < 500 ? 2001 : 2000))
}
