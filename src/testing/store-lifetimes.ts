import assert from 'node:assert/strict'
import { type Checks, gone, longest, long, passed } from './store-check'

/** When values end. */
export const lifetimes: Checks = {
  async 'ends a value when its lifetime is over, and the key is free again'(store) {
    await store.create('login:a', 'one', 20)
    await gone(store, 'login:a')
    assert.equal(await store.create('login:a', 'two', long), true, 'the key of an expired value must be free')
  },

  async 'treats an expired value as none before anybody has read it'(store) {
    for (const key of ['grant:a', 'grant:b', 'grant:c', 'grant:d']) await store.create(key, 'one', 20)
    await passed(300)
    assert.equal(
      await store.replace('grant:a', 'one', 'two', long),
      false,
      'replace() must not revive an expired value',
    )
    assert.equal(await store.get('grant:a'), undefined, 'replace() must not revive an expired value')
    assert.equal(await store.delete('grant:b'), false, 'delete() of an expired value must give false')
    assert.equal(await store.delete('grant:c', 'one'), false, 'delete() of an expired value must give false')
    assert.equal(await store.create('grant:d', 'two', long), true, 'the key of an expired value must be free')
  },

  async 'keeps the lifetime of a replaced value, or begins another'(store) {
    await store.create('grant:kept', 'one', 300)
    await store.create('grant:extended', 'one', 300)
    await store.create('grant:shortened', 'one', long)
    const startedAt = performance.now()
    await store.replace('grant:kept', 'one', 'two')
    await store.replace('grant:extended', 'one', 'one', long)
    await store.replace('grant:shortened', 'one', 'two', 20)
    const kept = await store.get('grant:kept')
    if (performance.now() - startedAt < 200)
      assert.equal(kept, 'two', 'replace() without a ttl must leave the end of the lifetime where it is')
    await gone(store, 'grant:kept', 'replace() without a ttl must leave the end of the lifetime where it is')
    await gone(store, 'grant:shortened', 'replace() with a ttl must begin that lifetime')
    assert.equal(await store.get('grant:extended'), 'one', 'replace() with a ttl must begin that lifetime')
  },

  async 'counts lifetimes in milliseconds'(store) {
    const ttl = 400
    await store.create('login:replaced', 'one', long)
    const startedAt = performance.now()
    await store.create('login:created', 'one', ttl)
    await store.replace('login:replaced', 'one', 'one', ttl)
    const early = await Promise.all([store.get('login:created'), store.get('login:replaced')])
    if (performance.now() - startedAt < ttl)
      assert.deepEqual(
        early,
        ['one', 'one'],
        `a ttl of ${ttl} ms must not be over at once: do not cut it to seconds`,
      )
    await passed(ttl + 300)
    const late = await Promise.all([store.get('login:created'), store.get('login:replaced')])
    const none = [undefined, undefined]
    assert.deepEqual(
      late,
      none,
      `a ttl of ${ttl} ms must be over ${ttl + 300} ms later: do not round it up to seconds`,
    )
  },

  async 'takes lifetimes of more than 32 bits'(store) {
    const ttls = [2 ** 31 + 1, 2 ** 32 + 1, longest.ttl]
    for (const ttl of ttls) {
      await store.create(`sess:created ${ttl}`, 'one', ttl)
      await store.create(`sess:replaced ${ttl}`, 'one', long)
      await store.replace(`sess:replaced ${ttl}`, 'one', 'one', ttl)
    }
    await passed(50)
    for (const key of ttls.flatMap((ttl) => [`sess:created ${ttl}`, `sess:replaced ${ttl}`]))
      assert.equal(await store.get(key), 'one', `a ttl must not be cut to 32 bits: ${key} is gone at once`)
  },
}
