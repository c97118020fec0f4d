import type { OnError } from '../http/error-response'
import type { OptionType } from '../errors/known-members'
import type { Events } from '../observability/events'
import type { Operation, Scope } from '../scopes/catalogue'

/** What a guard can name: the scopes of Scoped OAuth, and the two of Classic User OAuth. */
export type ScopeName = Scope | 'read' | 'write' | 'openid'

/** Options of a guard; they may stand as its last argument. */
export interface GuardOptions {
  /** Name of the instance whose login is required. @default 'pagerduty' */
  name?: string | undefined
  /** Where a browser is sent to log in. @default `/auth/` and the name */
  loginPath?: string | undefined
  /** Send a browser to PagerDuty to request missing scopes. @default true */
  stepUp?: boolean | undefined
  /** Scopes that may be requested so. @default all that guards name */
  stepUpScope?: readonly (Scope | (string & {}))[] | undefined
  /** The start page of the instance: its `routes.home`. @internal */
  home?: string | undefined
  /** Of the instance. @internal */
  events?: Events | undefined
  /** Takes over the responses. */
  onError?: OnError | undefined
}

/** Options of {@link requireScopesFor}. */
export interface OperationGuardOptions extends GuardOptions {
  /** Scopes of operations that declare none, or instead of what they declare. In a Classic app `read` or `write`. */
  scopes?: { readonly [Name in Operation]?: ScopeName | readonly ScopeName[] | undefined } | undefined
}

/** @internal */
export const guardOptions: Record<keyof OperationGuardOptions, OptionType> = {
  name: 'string',
  loginPath: 'string',
  stepUp: 'boolean',
  stepUpScope: true,
  home: 'string',
  events: true,
  onError: 'function',
  scopes: 'object',
}
