import type { Worker } from './fleet'
import type { Score } from './score'
import type { User } from './user'
import { until } from './world'

/** Asks until served, and takes the time. */
export async function recover(user: User, score: Score, next: () => Worker): Promise<void> {
  const startedAt = performance.now()
  const isWell = async () => {
    const answer = await user.ask(next())
    score.judge(user, answer, 200, 503)
    return answer.status === 200
  }
  await until(`an answer for ${user.id}`, isWell, { within: 70_000, every: 100 })
  score.recovered(performance.now() - startedAt)
}
