import assert from 'node:assert/strict'
import { type Checks, hundred, long, winners } from './store-check'

/** What the four operations do, one at a time and at once. */
export const operations: Checks = {
  async 'gives back what was created, and undefined where nothing was'(store) {
    assert.equal(await store.create('grant:a', 'one', long), true, 'create() of a free key must give true')
    assert.equal(await store.get('grant:a'), 'one', 'get() must give what was created')
    assert.equal(await store.get('grant:b'), undefined, 'get() must give undefined where there is nothing')
  },

  async 'creates only where there is nothing'(store) {
    await store.create('grant:a', 'one', long)
    assert.equal(await store.create('grant:a', 'two', long), false, 'create() of a taken key must give false')
    assert.equal(await store.get('grant:a'), 'one', 'create() must not overwrite a value')
  },

  async 'gives a contested key to exactly one of a hundred'(store) {
    const won = await Promise.all(hundred((i) => store.create('lock:a', `${i}`, long)))
    assert.equal(winners(won), 1, 'create() is not atomic: exactly one of a hundred must give true')
    assert.equal(
      await store.get('lock:a'),
      `${won.indexOf(true)}`,
      'the value must be of the create() that gave true',
    )
  },

  async 'replaces only exactly the value that is expected'(store) {
    await store.create('grant:a', 'one', long)
    assert.equal(await store.replace('grant:b', 'one', 'two', long), false, 'replace() must create nothing')
    for (const other of ['on', 'one1', 'two'])
      assert.equal(
        await store.replace('grant:a', other, 'three'),
        false,
        `replace() must give false where another value than the expected one is stored`,
      )
    assert.equal(
      await store.replace('grant:a', 'one', 'two'),
      true,
      'replace() of the expected value must give true',
    )
    assert.equal(
      await store.replace('grant:a', 'one', 'three'),
      false,
      'replace() must not go by an earlier value',
    )
    assert.equal(await store.get('grant:a'), 'two', 'replace() must store the new value')
    assert.equal(
      await store.replace('grant:a', 'two', 'two', long),
      true,
      'replace() by the same value must give true: it changes the lifetime',
    )
  },

  async 'does not bring back what was deleted'(store) {
    await store.create('grant:a', 'one', long)
    await store.delete('grant:a')
    assert.equal(
      await store.replace('grant:a', 'one', 'two', long),
      false,
      'replace() must not revive a deleted value',
    )
    assert.equal(await store.get('grant:a'), undefined, 'a deleted value must be gone')
  },

  async 'lets one of a hundred replacements and deletions of the same value through'(store) {
    await store.create('grant:a', 'one', long)
    const won = await Promise.all(
      hundred((i) =>
        i % 2 === 0 ? store.delete('grant:a', 'one') : store.replace('grant:a', 'one', `${i}`),
      ),
    )
    assert.equal(
      winners(won),
      1,
      'replace() and delete() are not atomic: exactly one of a hundred must give true',
    )
    const winner = won.indexOf(true)
    const left = winner % 2 === 0 ? undefined : `${winner}`
    assert.equal(
      await store.get('grant:a'),
      left,
      'the value must be as the operation that gave true left it',
    )
  },

  async 'lets one of a hundred replacements of the same value through'(store) {
    await store.create('grant:a', 'one', long)
    const won = await Promise.all(hundred((i) => store.replace('grant:a', 'one', `${i}`)))
    assert.equal(winners(won), 1, 'replace() is not atomic: exactly one of a hundred must give true')
    assert.equal(
      await store.get('grant:a'),
      `${won.indexOf(true)}`,
      'the value must be of the replace() that gave true',
    )
  },

  async 'deletes, and says whether there was something'(store) {
    await store.create('grant:a', 'one', long)
    assert.equal(
      await store.delete('grant:a', 'two'),
      false,
      'delete() must spare another value than the expected one',
    )
    assert.equal(await store.get('grant:a'), 'one', 'delete() must spare another value than the expected one')
    assert.equal(await store.delete('grant:a', 'one'), true, 'delete() of the expected value must give true')
    assert.equal(await store.delete('grant:a'), false, 'delete() must give false where there is nothing')
    await store.create('grant:a', 'two', long)
    assert.equal(await store.delete('grant:a'), true, 'delete() of a value must give true')
    assert.equal(await store.get('grant:a'), undefined, 'a deleted value must be gone')
  },
}
