import type { Request } from 'express'
import type { Token } from './tokens'
import type { Parts } from './parts'
import { Refusal } from './wire'

/** The access token of a request, rejected the way PagerDuty rejects a revoked one: with a 401 that is not JSON. */
export function bearerToken({ grants }: Parts, req: Request): Token {
  const [, value] = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '') ?? []
  const token = value === undefined ? undefined : grants.liveAccessToken(value)
  if (token) return token
  throw new Refusal({
    status: 401,
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: 'Unauthorized',
  })
}

/** Rejects a token whose scope does not cover the call; Classic tokens know only reading and writing. */
export function requireScope({ delegation }: Token, reading: boolean, scope: string): void {
  const { appType, scope: granted } = delegation
  const sufficient = appType === 'scoped' ? [scope] : reading ? ['read', 'write'] : ['write']
  if (sufficient.some((name) => granted.includes(name))) return
  throw new Refusal({
    status: 403,
    body: {
      error: {
        message: 'Token missing required scopes',
        required_scopes: sufficient[0],
        token_scopes: granted.join(' '),
      },
    },
  })
}
