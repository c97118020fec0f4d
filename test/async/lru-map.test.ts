import { LRUMap } from '../../src/async/lru-map'

test('a full map drops the key that was set longest ago', () => {
  const map = new LRUMap<string, number>(2).set('a', 1).set('b', 2)
  expect([...map.set('a', 3).set('c', 4)]).toEqual([
    ['a', 3],
    ['c', 4],
  ])
})

test('a key that is set again takes no second place', () => {
  const map = new LRUMap<string, number>(2).set('a', 1).set('b', 2).set('b', 3)
  expect([...map.keys()]).toEqual(['a', 'b'])
})

test('undefined is a key like any other', () => {
  expect([...new LRUMap<undefined, number>(1).set(undefined, 1).set(undefined, 2)]).toEqual([[undefined, 2]])
})
