import { interleave, median, quantile, ratioOf, showRatio } from './figures'
import { count } from './bench'
import { between, withGoals } from './report'
import { CommandCounter } from './resp'
import { bars, lines } from './svg'

const command = (...parts: string[]) =>
  `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`

describe('the counter of Redis commands', () => {
  const sent = Buffer.from(
    command('hello', '3') +
      command('mget', 'a', 'b') +
      command('SET', 'k', 'é\r\n*1\r\n$4\r\nPING\r\n') +
      command('MGET', 'c'),
  )

  test('counts by name, whatever the case, and takes nothing inside a value for a command', () => {
    const counter = new CommandCounter()
    counter.add(sent)
    expect([...counter.commands]).toEqual([
      ['HELLO', 1],
      ['MGET', 2],
      ['SET', 1],
    ])
    expect(counter.total).toBe(4)
  })

  test.each([1, 2, 3, 7, 20])('counts the same when it comes in chunks of %d bytes', (size) => {
    const counter = new CommandCounter()
    for (let from = 0; from < sent.length; from += size) counter.add(sent.subarray(from, from + size))
    expect(Object.fromEntries(counter.commands)).toEqual({ HELLO: 1, MGET: 2, SET: 1 })
  })

  test('counts inline commands, and forgets when told', () => {
    const counter = new CommandCounter()
    counter.add(Buffer.from('PING\r\nset a b\r\n'))
    expect(Object.fromEntries(counter.commands)).toEqual({ PING: 1, SET: 1 })
    counter.reset()
    expect(counter.total).toBe(0)
  })
})

describe('figures', () => {
  test('a quantile lies between two values in proportion, in whatever order they come', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(quantile([10, 0], 0.25)).toBe(2.5)
    expect(quantile([5], 0.99)).toBe(5)
    expect(median([])).toBeNaN()
  })

  test('a ratio compares each round with itself, so that a slow hour counts for nothing', () => {
    expect(ratioOf([1, 10, 100], [2, 20, 200])).toEqual({ median: 0.5, low: 0.5, high: 0.5 })
    expect(showRatio(ratioOf([1, 2, 3], [2, 2, 2]))).toBe('1.00 (0.75–1.25)')
  })

  test('every candidate is measured in every round, and each comes first in turn', async () => {
    const order: string[] = []
    const values = await interleave(3, ['a', 'b', 'c'], (name) => order.push(name))
    expect(order.join('')).toBe('abcbcacab')
    expect(values).toEqual({ a: [1, 6, 8], b: [2, 4, 9], c: [3, 5, 7] })
  })
})

describe('the page', () => {
  const page = 'before\n<!-- one -->\nold\n<!-- /one -->\nafter\n'

  test('gets new content between the markers, and keeps the rest', () => {
    const once = between(page, 'one', 'new')
    expect(once).toBe('before\n<!-- one -->\n\nnew\n\n<!-- /one -->\nafter\n')
    expect(between(once, 'one', 'new')).toBe(once)
  })

  test('has the goals of a run, and keeps those of sections that were not run', () => {
    const first = withGoals('<!-- goals -->\n<!-- /goals -->\n', [count('calls', 1, 1), count('bytes', 5, 4)])
    const second = withGoals(first, [count('bytes', 3, 4), count('packages', 7, 9)])
    const rows = second.split('\n').filter((line) => line.startsWith('|'))
    expect(rows.slice(2).map((row) => row.split('|').map((cell) => cell.trim()))).toEqual([
      ['', 'calls', '1', 'at most 1', 'met', 'counted', ''],
      ['', 'bytes', '3', 'at most 4', 'met', 'counted', ''],
      ['', 'packages', '7', 'at most 9', 'met', 'counted', ''],
    ])
  })

  test('without its markers is an error', () => {
    expect(() => between(page, 'two', 'new')).toThrow('the page has no markers <!-- two -->')
  })
})

describe('drawings', () => {
  test('bars grow with their values, and ours stands out', () => {
    const drawing = bars('CPU <µs>', [
      { label: 'theirs', median: 200, low: 190, high: 210 },
      { label: 'passport-pagerduty', median: 100, low: 95, high: 105 },
    ])
    const widths = [...drawing.matchAll(/<rect class="(\w+)" x="330" y="\d+" width="([\d.]+)"/g)]
    expect(widths.map(([, kind]) => kind)).toEqual(['theirs', 'ours'])
    const [theirs = 0, ours = 0] = widths.map(([, , width]) => Number(width))
    expect(theirs / ours).toBeCloseTo(2, 1)
    expect(drawing).toContain('<title>CPU &lt;µs&gt;</title>')
    expect(drawing).toContain('prefers-color-scheme:dark')
  })

  test('a line runs from the first mark of its axis to the last', () => {
    const drawing = lines(
      'Growth',
      [
        {
          label: 'one',
          points: [
            [1000, 0],
            [100_000, 50],
          ],
        },
      ],
      { x: 'users', y: 'bytes' },
    )
    expect(drawing).toContain('d="M70 330L700 40"')
    expect(drawing).not.toMatch(/NaN|Infinity/)
  })
})
