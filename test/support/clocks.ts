/** Takes over both clocks, until `jest.restoreAllMocks()`. What it returns moves them together. */
export function clocks(): (milliseconds: number) => void {
  let passed = 0
  const [wall, monotonic] = [Date.now.bind(Date), performance.now.bind(performance)]
  jest.spyOn(Date, 'now').mockImplementation(() => wall() + passed)
  jest.spyOn(performance, 'now').mockImplementation(() => monotonic() + passed)
  return (milliseconds) => void (passed += milliseconds)
}
