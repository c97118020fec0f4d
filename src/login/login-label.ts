import type { Request } from 'express'
import { asError } from '../async/call-app'
import { ConfigurationError } from '../errors/errors'
import type { LoginParts } from './login-attempt'
import { decided } from './verify'

const mostCharacters = 200

/** What the option `label` returns. Its failure fails no login: the user could do nothing about it. */
export async function labelOf({ label, grants }: LoginParts, req: Request): Promise<string | undefined> {
  if (label === undefined) return undefined
  const ask = async (): Promise<unknown> => label(req)
  try {
    const returned = (await decided('label', ask())) ?? ''
    if (typeof returned !== 'string')
      throw new ConfigurationError('label', 'must return a string, or nothing')
    return Array.from(returned).slice(0, mostCharacters).join('') || undefined
  } catch (reason) {
    grants.events.emit('warning', { error: asError(reason) })
    return undefined
  }
}
