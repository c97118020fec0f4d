import type { Grant } from '../../../src/grants/grant-repository'
import type { UserGrants } from '../../../src/grants/grants'

/** One process: its own `UserGrants`, and what becomes of it. */
export class Actor {
  readonly name: string
  /** The grants as this process saw them last. */
  readonly seen = new Map<string, Grant>()
  grants!: UserGrants
  isDead = false
  /** When it thaws, while it is frozen. */
  frozenUntil: number | undefined
  frozenSince = 0
  frozenFor = 0
  /** What is delivered when it thaws. */
  mail: (() => void)[] = []

  constructor(name: string) {
    this.name = name
  }

  get isAwake(): boolean {
    return !this.isDead && this.frozenUntil === undefined
  }

  /** Milliseconds that it has been frozen, up to now. */
  frozen(now: number): number {
    return this.frozenFor + (this.frozenUntil === undefined ? 0 : now - this.frozenSince)
  }
}
