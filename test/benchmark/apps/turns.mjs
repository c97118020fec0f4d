// Runs things of one process in turns, as often as takes long enough to be measured.

/**
 * @param {Record<string, () => unknown>} candidates
 * @returns {Promise<Record<string, number[]>>} nanoseconds a call, for each candidate one value a round
 */
export async function inTurns(candidates, { rounds, milliseconds }) {
  const names = Object.keys(candidates)
  const values = Object.fromEntries(names.map((name) => [name, []]))
  const calls = {}
  for (const name of names) calls[name] = await warm(candidates[name], milliseconds)
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < names.length; place++) {
      const name = names[(round + place) % names.length]
      globalThis.gc?.()
      values[name].push(await time(candidates[name], calls[name]))
    }
  }
  return values
}

/** How many calls fill the time, when compiled. */
async function warm(call, milliseconds) {
  await time(call, 2000)
  return Math.max(100, Math.round((milliseconds * 1e6) / (await time(call, 2000))))
}

async function time(call, calls) {
  const startedAt = process.hrtime.bigint()
  for (let number = 0; number < calls; number++) {
    const answer = call()
    if (answer instanceof Promise) await answer
  }
  return Number(process.hrtime.bigint() - startedAt) / calls
}
