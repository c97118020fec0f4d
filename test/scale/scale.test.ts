import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { figuresOf } from './figures'
import { People, day } from './people'
import { policies } from './policy'
import { describeWithRedis } from '../support/redis'

/** As few as show the peaks of the policies. */
const grants = 600

const root = join(__dirname, '../..')
const exec = promisify(execFile)

describeWithRedis('the simulation of many grants, with few of them', () => {
  let printed = ''
  beforeAll(async () => {
    const settings = ['--markdown', `--grants=${grants}`, '--users=100']
    const program = ['--require', 'esbuild-register', 'test/scale/simulate.ts', ...settings]
    printed = (await exec(process.execPath, program, { cwd: root })).stdout
  }, 120_000)

  /** The cells of a table as numbers, by the title above it, and by the first cells of their row and column. */
  function figures(title: string): (row: string, column: string) => number {
    const section = printed.split('### ').find((text) => text.startsWith(title)) ?? ''
    const lines = section.split('\n').filter((line) => line.startsWith('|'))
    const rows = lines.map((line) => line.split('|').map((cell) => cell.trim()))
    const [head = []] = rows
    return (row, column) => {
      const cells = rows.find(([, ...cellsOf]) => cellsOf.join(' ').startsWith(row)) ?? []
      return parseFloat((cells[head.indexOf(column)] ?? '').replaceAll(',', ''))
    }
  }

  test('prints its seed and all its tables', () => {
    expect(printed).toContain('600 grants, 20 processes, seed 1.')
    const titles = [...printed.matchAll(/^### ([^\s:,]+)/gm)].map(([, title]) => title)
    expect(titles).toEqual(['Scoped', 'Scoped', 'Classic', 'Memory', 'Commands', 'Load'])
    expect(printed).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('refreshes each grant once in the life of its access token', () => {
    const scoped = figures('Scoped: ')
    expect(scoped('at once refresh at the end', 'refreshes')).toBe(grants)
    expect(scoped('morning refresh ahead, with jitter', 'refreshes')).toBeGreaterThanOrEqual(grants)
    expect(scoped('morning refresh ahead, with jitter', 'refreshes')).toBeLessThan(1.1 * grants)
  })

  test('jitter keeps apart what logged in together', () => {
    for (const table of ['Scoped: ', 'Classic: ']) {
      const peak = (policy: string) => figures(table)(`at once ${policy}`, 'peak/min')
      expect(peak('refresh ahead, with jitter')).toBeLessThan(peak('refresh ahead, at a fixed moment') / 4)
      expect(peak('refresh ahead, with jitter')).toBeLessThan(peak('refresh at the end') / 4)
    }
  })

  test('refreshing ahead reduces requests that wait, and requests that fail in an outage', () => {
    const scoped = figures('Scoped: ')
    for (const logins of ['morning', 'at once']) {
      for (const column of ['waits', 'failed user-minutes']) {
        const [ahead, atEnd] = ['refresh ahead, with jitter', 'refresh at the end'].map((policy) =>
          scoped(`${logins} ${policy}`, column),
        )
        expect(ahead).toBeLessThan(atEnd as number)
      }
    }
  })

  test('an outage costs few calls: one failure pauses all processes', () => {
    expect(figures('Scoped: ')('morning refresh ahead, with jitter', 'calls in the outage')).toBeLessThan(
      1500,
    )
  })

  test('counts the commands and the memory of a real Redis', () => {
    const commands = figures('Commands')
    expect(commands('request ', 'commands')).toBe(1)
    expect(commands('login ', 'commands')).toBeLessThanOrEqual(6)
    const memory = figures('Memory')
    expect(memory('all ', 'bytes, 10 scopes')).toBeLessThan(2048)
    expect(memory('all ', 'bytes, 10 scopes')).toBeGreaterThan(500)
  })
})

test('the simulation comes to the same figures again', async () => {
  const play = () => {
    const people = new People({ seed: 7, grants: 300, roundTheClock: 0.2, period: 60, logins: 'at once' })
    const policy = policies(day, 300).ours
    return figuresOf({ people, policy, processes: 3, days: 2, idle: 3 * day }, { latency: 0.3 }, 9)
  }
  const [first, second] = [await play(), await play()]
  expect(first.figures.failedMinutes).toBeGreaterThan(0)
  expect(second).toEqual(first)
})
