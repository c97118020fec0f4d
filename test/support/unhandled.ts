/** Fails each test of a file that leaves a rejection unhandled: it would end the process of an app. */
export function failOnUnhandledRejections(): void {
  const unhandled = jest.fn()
  beforeEach(() => {
    unhandled.mockReset()
    process.on('unhandledRejection', unhandled)
  })
  afterEach(() => {
    process.off('unhandledRejection', unhandled)
    if (unhandled.mock.calls.length > 0) throw new Error(`Unhandled: ${String(unhandled.mock.calls)}`)
  })
}
