// Runs things of one process in turns, as often as takes long enough to be measured.

/**
 * @param {Record<string, () => unknown>} candidates
 * @returns {Promise<Record<string, number[]>>} nanoseconds of CPU a call, for each candidate one value a round
 */
export async function inTurns(candidates, { rounds, milliseconds }) {
  const names = Object.keys(candidates)
  const values = Object.fromEntries(names.map((name) => [name, []]))
  const calls = {}
  for (const name of names) calls[name] = await warm(candidates[name], milliseconds)
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < names.length; place++) {
      const name = names[(round + place) % names.length]
      await time(candidates[name], 200)
      values[name].push(await time(candidates[name], calls[name]))
    }
  }
  return values
}

/** How many calls fill the time, when compiled. */
async function warm(call, milliseconds) {
  await time(call, 2000)
  return Math.max(100, Math.round((milliseconds * 1e6) / Math.max(await time(call, 5000), 20)))
}

/** Nanoseconds of CPU a call: other processes of the machine do not count. */
async function time(call, calls) {
  const before = process.cpuUsage()
  for (let number = 0; number < calls; number++) {
    const answer = call()
    if (answer instanceof Promise) await answer
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / calls
}
