import assert from 'node:assert/strict'
import { type Checks, gone, long } from './store-check'

/** What the optional `getMany` does; a store without it passes. */
export const many: Checks = {
  async 'reads several values at once, in the order of their keys'(store) {
    if (store.getMany === undefined) return
    const keys = ['sess:b', 'sess:none', 'sess:a', 'sess:b']
    await store.create('sess:a', 'one', long)
    await store.create('sess:b', 'two', long)
    const rule = 'getMany() must give one value per key, in their order, and undefined where there is none'
    assert.deepEqual(await store.getMany(keys), ['two', undefined, 'one', 'two'], rule)
    assert.deepEqual(await store.getMany(['sess:none']), [undefined], rule)
    assert.deepEqual(await store.getMany([]), [], 'getMany() of no keys must give an empty list')
    const odd = 'user:{a},"b\\ \'c'
    await store.create(odd, 'three', long)
    assert.deepEqual(await store.getMany([odd, 'sess:a']), ['three', 'one'], 'getMany() must take any key')
  },

  async 'leaves out what has expired when it reads several values'(store) {
    if (store.getMany === undefined) return
    await store.create('sess:a', 'one', 20)
    await store.create('sess:b', 'two', long)
    await gone(store, 'sess:a')
    await store.create('sess:c', 'three', 1)
    await gone(store, 'sess:c')
    assert.deepEqual(
      await store.getMany(['sess:a', 'sess:b', 'sess:c']),
      [undefined, 'two', undefined],
      'getMany() must treat an expired value as none',
    )
  },
}
