const clocks = [
  ...(['Date', 'hrtime', 'performance', 'nextTick', 'queueMicrotask'] as const),
  ...(['setTimeout', 'setInterval', 'setImmediate'] as const),
  ...(['clearTimeout', 'clearInterval', 'clearImmediate'] as const),
]

/** Jest's fake timers in the place of these alone: sockets need everything else. */
export function fakeOnly(faked: readonly (typeof clocks)[number][], now = Date.now()): void {
  jest.useFakeTimers({ now, doNotFake: clocks.filter((clock) => !faked.includes(clock)) })
}
