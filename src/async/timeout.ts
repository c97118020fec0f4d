/**
 * Gives up waiting after `timeout` milliseconds. The work goes on.
 *
 * A busy event loop runs timers before it reads sockets. So the loop gets to read once more before the wait fails.
 *
 * @param late makes the error to reject with
 */
export function withinDeadline<T>(work: Promise<T>, timeout: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    // Newer Nodes warn of a time that has passed.
    const timer = setTimeout(() => setImmediate(() => reject(late())), Math.max(timeout, 0))
    work.then(
      (result) => {
        clearTimeout(timer)
        resolve(result)
      },
      (error: Error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/** Waits so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
