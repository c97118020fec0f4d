import { isMet } from './bench'
import { type Sample, findingOf } from './soak/finding'
import { Gate } from './soak/gate'
import { excess, growth, slope } from './soak/trend'

describe('the trend of a soak', () => {
  const wave = (at: number) => 1000 + (at % 2 === 0 ? 5 : -5)
  const samples = Array.from({ length: 30 }, (_, at) => at)

  test('is the median of all slopes, which one outlier does not move', () => {
    expect(slope([1, 2, 3, 4])).toBe(1)
    expect(slope([1, 2, 3, 400, 5, 6, 7])).toBe(1)
    expect(slope([7])).toBe(0)
  })

  test('of what goes up and down is none, and that of a leak is what leaks', () => {
    expect(growth(samples.map(wave))).toBe(0)
    expect(growth(samples.map((at) => wave(at) + 10 * at))).toBe(190)
  })

  test('counts from the end of the first third: what fills there fills once', () => {
    expect(growth([1, 4, 7, 9, 9, 9, 9, 9, 9])).toBe(0)
    expect(excess([3, 5, 4, 5, 5, 4, 5, 3, 5])).toBe(0)
    expect(excess([3, 5, 4, 5, 5, 4, 6, 3, 5])).toBe(1)
  })
})

describe('the gate of a soak', () => {
  test('closes when all who are inside have left, and lets those in who waited', async () => {
    const gate = new Gate()
    const order: string[] = []
    let leave = () => {}
    const first = gate.pass(async () => {
      await new Promise<void>((done) => (leave = done))
      order.push('first left')
    })
    const closed = gate.close().then(() => order.push('closed'))
    const second = gate.pass(async () => order.push('second'))
    leave()
    await Promise.all([first, closed])
    expect(order).toEqual(['first left', 'closed'])
    gate.open()
    await second
    expect(order).toEqual(['first left', 'closed', 'second'])
  })
})

describe('what a soak finds', () => {
  const keys = {
    logins: 80,
    mostLogins: 80,
    callbacks: 9,
    mostCallbacks: 9,
    users: 40,
    mostUsers: 47,
    others: 2,
    mostOthers: 4,
  }
  const sampleOf = (at: number): Sample => ({
    at,
    latencies: [1, 2, 3],
    logins: 100,
    logouts: 90,
    failures: [],
    rotations: 160,
    processes: [{ heap: 20e6 + 1e4 * at, handles: { TCPServerWrap: 1, TCPSocketWrap: 1 }, warnings: [] }],
    keys,
  })
  const missedIn = (change: (at: number) => Partial<Sample>): string[] => {
    const samples = Array.from({ length: 60 }, (_, at) => ({ ...sampleOf(at), ...change(at) }))
    const { goals, notes } = findingOf(samples, '')
    const missed = goals.filter((goal) => !isMet(goal)).map(({ what }) => what)
    expect(notes.some((note) => note.includes('NOT FLAT'))).toBe(missed.length > 0)
    return missed
  }
  const held = (more: Partial<Sample['processes'][0]>) => ({
    processes: [{ heap: 20e6, handles: {}, warnings: [], ...more }],
  })

  test.each<[string, (at: number) => Partial<Sample>]>([
    ['nothing that grows', () => ({})],
    ['what a process remembers of logins', (at) => held({ heap: 20e6 + 300 * 100 * at })],
    [
      'a refresh that a logout overtook',
      () => held({ warnings: ['Refresh failed: ERR_PAGERDUTY_LOGIN_REQUIRED'] }),
    ],
    ['a store that nobody can look into', () => ({ keys: undefined })],
  ])('is flat with %s', (_what, change) => {
    expect(missedIn(change)).toEqual([])
  })

  test.each<[string, (at: number) => Partial<Sample>]>([
    ['growth of heap 1 in the last two thirds, kB', (at) => held({ heap: 20e6 + 1e5 * at })],
    ['handles more than in the first third', (at) => held({ handles: { TCPSocketWrap: at < 50 ? 1 : 2 } })],
    ['warnings of the soak', (at) => held({ warnings: at === 7 ? ['Redis is gone'] : [] })],
    ['failed requests of the soak', (at) => ({ failures: at === 7 ? ['/incidents ended with 503'] : [] })],
    ['sessions and grants of no login', (at) => ({ keys: { ...keys, logins: at === 59 ? 81 : 80 } })],
    ['redeemed logins too many', () => ({ keys: { ...keys, callbacks: 10 } })],
    ['lists of no user', () => ({ keys: { ...keys, users: 48 } })],
    ['keys of other kinds too many', (at) => ({ keys: { ...keys, others: at < 40 ? 2 : 5 } })],
  ])('is not flat with %s', (what, change) => {
    expect(missedIn(change)).toEqual([what])
  })

  test('is nothing where no token was refreshed', () => {
    expect(() => missedIn(() => ({ rotations: 0 }))).toThrow('nothing was soaked')
  })
})
