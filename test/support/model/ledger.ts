import type { Delegation } from './authorization-server'

/** A lock from when a process got it. What struck that process meanwhile excuses what would else be a fault. */
export interface Hold<Actor> {
  readonly actor: Actor
  readonly grantID: string
  /** When it began, among all changes of the store. */
  readonly order: number
  readonly struck: Set<'crashed' | 'dropped' | 'ran out' | 'gave up'>
  /** It could not renew its lock for some time, so that the lock may run out. */
  wasHindered: boolean
  hadGrantFault: boolean
  isClosing: boolean
  isOver: boolean
}

/** One refresh token on its way to the server, and what its sender got to know. */
export interface Presentation<Actor> {
  readonly token: string
  readonly hold: Hold<Actor>
  outcome: 'open' | 'granted' | 'refused' | 'unknown'
}

/** What is known of one login. */
export interface Ledger {
  readonly id: string
  readonly delegation: Delegation
  /** The newest that the store holds or held. */
  stored: { number: number; access: string; refresh: string | undefined; expiresAt: number }
  lastRefreshToken: string
  readonly everStored: Set<string>
  isKept: boolean
  isForgetting: boolean
  isForgotten: boolean
  /** A pair may live on at the server: the process that should have revoked it crashed, or never learned of it. */
  isRevocationDoubtful: boolean
  /** Evicted, or its life in the store ended. */
  isGone: boolean
}

/** A process that ends does not wait for the store for ever. */
export function hasGivenUp({ isClosing, hadGrantFault }: Hold<unknown>): boolean {
  return isClosing && hadGrantFault
}
