import assert from 'node:assert/strict'
import type { TokenStore } from '../store/token-store'
import { hundred, long, winners } from './store-check'

/** What two instances over one database do, as two processes of an app have them. */
export const pairs: Readonly<Record<string, (one: TokenStore, other: TokenStore) => Promise<void>>> = {
  async 'shows at once what another instance wrote'(one, other) {
    const rule = 'what one instance has written must be seen by another at once'
    for (let i = 0; i < 10; i++) {
      const key = `grant:${i}`
      assert.deepEqual([await one.get(key), await other.get(key)], [undefined, undefined], rule)
      assert.equal(await other.create(key, 'one', long), true, rule)
      assert.equal(await one.get(key), 'one', rule)
      assert.equal(await one.create(key, 'two', long), false, rule)
      assert.equal(await one.replace(key, 'one', 'two'), true, rule)
      assert.equal(await other.get(key), 'two', rule)
      assert.equal(await other.replace(key, 'one', 'three'), false, rule)
      assert.equal(await other.delete(key), true, rule)
      assert.equal(await one.get(key), undefined, rule)
    }
  },

  async 'gives a key that two instances contest to exactly one of a hundred'(one, other) {
    const won = await Promise.all(hundred((i) => (i % 2 === 0 ? one : other).create('lock:a', `${i}`, long)))
    assert.equal(winners(won), 1, 'create() is not atomic between instances: exactly one must give true')
    const value = `${won.indexOf(true)}`
    const rule = 'the value must be of the create() that gave true'
    assert.deepEqual([await one.get('lock:a'), await other.get('lock:a')], [value, value], rule)
  },

  async 'lets one of a hundred replacements and deletions by two instances through'(one, other) {
    await one.create('grant:a', 'one', long)
    const won = await Promise.all(
      hundred((i) => {
        const store = i % 2 === 0 ? one : other
        return i % 3 === 2 ? store.delete('grant:a', 'one') : store.replace('grant:a', 'one', `${i}`)
      }),
    )
    const rule = 'replace() and delete() are not atomic between instances: exactly one must give true'
    assert.equal(winners(won), 1, rule)
    const winner = won.indexOf(true)
    const left = winner % 3 === 2 ? undefined : `${winner}`
    assert.equal(await one.get('grant:a'), left, 'the value must be as the operation that gave true left it')
  },
}
