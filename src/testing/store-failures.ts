import assert from 'node:assert/strict'
import { type Checks, long, passed } from './store-check'

/** Milliseconds: the second that an operation has, and one more for a busy machine. */
const patience = 2_000

/** What a store does that has lost its connection. */
export const failures: Checks = {
  async 'rejects in time while it has no connection'(store) {
    const operations: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['get', () => store.get('grant:a')],
      ['getMany', () => store.getMany?.(['grant:a', 'grant:b']) ?? Promise.reject(new Error('none'))],
      ['create', () => store.create('grant:b', 'one', long)],
      ['replace', () => store.replace('grant:a', 'one', 'two')],
      ['delete', () => store.delete('grant:a')],
    ]
    const outcomes = operations.map(async ([name, operation]) => {
      const outcome = await Promise.race([
        // One that throws counts as one that rejects.
        Promise.resolve()
          .then(operation)
          .then(
            (result) => `resolved with ${JSON.stringify(result)}`,
            () => 'rejected',
          ),
        passed(patience).then(() => 'was not over in time'),
      ])
      return `${name}() ${outcome}`
    })
    assert.deepEqual(
      await Promise.all(outcomes),
      operations.map(([name]) => `${name}() rejected`),
      'an operation of a store without connection must reject within a second: anything else counts as its result',
    )
  },
}
