import assert from 'node:assert/strict'
import { type Checks, longest, long } from './store-check'

/** Which keys and values a store takes, and that it distinguishes them. */
export const strings: Checks = {
  async 'keeps all keys apart'(store) {
    const end = 'x'.repeat(longest.key - 'user:a'.length)
    for (const [different, key, other] of [
      ['case', 'user:PABC', 'user:Pabc'],
      ['trailing spaces', 'user:a b', 'user:a b '],
      ['a space', 'user:a b', 'user:ab'],
      ['the last of 65 characters', `user:a${end.slice(0, 58)}1`, `user:a${end.slice(0, 58)}2`],
      ['the last of 300 characters', `user:a${end.slice(1)}1`, `user:a${end.slice(1)}2`],
      ['a character that is a wildcard elsewhere', 'user:a_b%', 'user:axb1'],
    ] as const) {
      const what = `two keys that differ in ${different} must be two`
      assert.equal(await store.create(key, 'one', long), true, what)
      assert.equal(await store.get(other), undefined, what)
      assert.equal(await store.create(other, 'two', long), true, what)
      assert.equal(await store.get(key), 'one', what)
      await store.delete(key)
      assert.equal(await store.get(other), 'two', what)
      await store.delete(other)
    }
  },

  async 'takes any printable ASCII in a key'(store) {
    const all = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i))
    const key = `pause:${all}`
    assert.equal(await store.create(key, 'one', long), true, 'a key may have any printable ASCII character')
    assert.equal(await store.get(key), 'one', 'a key may have any printable ASCII character')
    assert.equal(await store.replace(key, 'one', 'two'), true, 'a key may have any printable ASCII character')
    assert.equal(await store.delete(key), true, 'a key may have any printable ASCII character')
  },

  async 'compares values exactly'(store) {
    const long65 = 'x'.repeat(64)
    const whole = 'x'.repeat(longest.value - 1)
    for (const [different, value, other] of [
      ['case', 'abc', 'abC'],
      ['a trailing space', 'abc', 'abc '],
      ['an accent', 'e', 'é'],
      ['the form of an accent', '\u00e9', 'e\u0301'],
      ['the last of 65 characters', `${long65}1`, `${long65}2`],
      ['the last of 256 KB', `${whole}1`, `${whole}2`],
    ] as const) {
      const what = `two values that differ in ${different} must be two`
      await store.create('grant:a', value, long)
      assert.equal(await store.replace('grant:a', other, 'three'), false, what)
      assert.equal(await store.delete('grant:a', other), false, what)
      assert.ok((await store.get('grant:a')) === value, 'a value must come back unchanged')
      assert.equal(await store.replace('grant:a', value, other), true, what)
      assert.ok(
        (await store.get('grant:a')) === other,
        `a value must come back unchanged, ${different} included`,
      )
      await store.delete('grant:a')
    }
  },

  async 'takes any string without control characters as a value'(store) {
    const odd = `t0{"quote":"'\\"} é \u2028 \u{1f600} %_\u007f ${'x'.repeat(10_000)}`
    assert.equal(await store.create('user:a b', odd, long), true, 'create() must take any Unicode string')
    assert.equal(await store.get('user:a b'), odd, 'a value must come back unchanged')
    assert.equal(await store.replace('user:a b', odd, 'one'), true, 'replace() must take any Unicode string')
  },
}
