import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './examples'

const capacity = readFileSync(join(root, 'docs/capacity.md'), 'utf8')
const benchmark = readFileSync(join(root, 'docs/benchmark.md'), 'utf8')

/** The cells of the first row of a page that begins so; those of the benchmark's section of a name. */
function cellsOf(page: string, beginning: string, section?: string): string[] {
  const text = section === undefined ? page : (page.split(new RegExp(`<!-- /?${section} -->`))[1] ?? '')
  const row = text.split('\n').find((line) => line.startsWith(`| ${beginning}`)) ?? ''
  return row.split('|').map((cell) => cell.trim())
}

const number = (text = '') => Number(text.replace(/,/g, ''))

test.each([
  ['guarded request over Redis', 'guarded-request', 'passport-pagerduty, Redis', 2, 4],
  ['the same without guard', 'guarded-request', 'bare Express', 2, 4],
  ['login, without PagerDuty', 'login', 'passport-pagerduty', 6, undefined],
  ['webhook delivery', 'webhook', 'passport-pagerduty', 5, 4],
])('the CPU of "%s" is that of the benchmark', (row, section, candidate, microseconds, perSecond) => {
  const [, , cpu, rate] = cellsOf(capacity, row)
  const measured = cellsOf(benchmark, candidate, section)
  const decimals = /\.(\d+)/.exec(cpu ?? '')?.[1]?.length
  expect(cpu).toBe(`${(number(measured[microseconds]) / 1000).toFixed(decimals)} ms`)
  const rounded = perSecond && Math.round(number(measured[perSecond]) / 100) * 100
  expect(rate).toBe(rounded?.toLocaleString('en') ?? '')
})

test('the example computes with the CPU of the table', () => {
  const [, , cpu] = cellsOf(capacity, 'guarded request over Redis')
  const [, , computed, result] = cellsOf(capacity, 'CPU of the package')
  expect(computed).toBe(`1,000 × ${cpu}`)
  expect(result).toBe(`${Math.round(number(cpu?.replace(' ms', '')) * 100)} % of a core`)
})
