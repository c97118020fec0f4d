import { record } from './report'
import type { Answer, User } from './user'
import type { World } from './world'

/** What the promise comes down to: no user lost, no wrong response, nothing unhandled in a worker. */
export const nothingWrong = { lost: [], wrong: [], problems: [] }

/** Keeps count of what users see while there is a fault, and makes the row of the table from it. */
export class Score {
  readonly #fault: string
  readonly #lost = new Set<string>()
  readonly #wrong: string[] = []
  #slowest: number | undefined

  constructor(fault: string) {
    this.#fault = fault
  }

  /** Checks a response against the statuses that are right; any other 401 means that the user was lost. */
  judge(user: User, answer: Answer, ...right: number[]): void {
    if (answer.status === 401 && !right.includes(401)) this.#lost.add(user.id)
    else if (!right.includes(answer.status)) this.#wrong.push(`${user.id} saw ${answer.status}`)
    if (answer.user !== undefined && answer.user !== user.id) {
      this.#wrong.push(`${user.id} was taken for ${answer.user}`)
    }
    if (answer.status === 503 && answer.retryAfter === undefined) {
      this.#wrong.push(`${user.id} saw a 503 without Retry-After`)
    }
    if (answer.status === 401 && !answer.isChallenge) {
      this.#wrong.push(`${user.id} saw a 401 without a challenge`)
    }
  }

  /** Holds something else against the promise. */
  object(objection: string): void {
    this.#wrong.push(objection)
  }

  /** Milliseconds from the end of a fault to the first good response. */
  recovered(after: number): void {
    this.#slowest = Math.max(this.#slowest ?? 0, after)
  }

  get slowestRecovery(): number {
    return this.#slowest ?? 0
  }

  /** Writes the row, and returns what has to be {@link nothingWrong}. */
  finish(world: World, rounds: number, tokenCalls = world.tokenCalls) {
    record({
      fault: this.#fault,
      rounds,
      tokenCalls,
      usersLost: this.#lost.size,
      wrongAnswers: this.#wrong.length,
      slowestRecovery: this.#slowest,
    })
    return { lost: [...this.#lost], wrong: this.#wrong.slice(0, 20), problems: world.problems }
  }
}
