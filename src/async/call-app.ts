import { inspect } from 'node:util'

/**
 * What was thrown, as an object. Express takes `undefined`, "route" and "router" as a wish to go on, and a guard would open.
 */
export function asError(reason: unknown): Error {
  if (typeof reason === 'object' && reason !== null) return reason as Error
  return new Error(
    typeof reason === 'string' ? reason : `${inspect(reason)} was thrown, which is not an error`,
  )
}

/** Calls a function of the app. `failed` gets what it throws, or rejects with if it is async. */
export function callApp(call: () => unknown, failed: (error: Error) => void): void {
  const fail = (reason: unknown) => failed(asError(reason))
  try {
    const returned = call()
    // Any thenable: a query of a database library is often not a Promise.
    if (typeof (Object(returned) as { then?: unknown }).then === 'function') {
      Promise.resolve(returned).catch(fail)
    }
  } catch (reason) {
    fail(reason)
  }
}

/**
 * Calls a function that reports to a callback. What it throws or rejects with counts like an error in the callback.
 *
 * @param call gets the callback
 */
export function calledBack<Result>(
  call: (done: (error: unknown, result?: Result) => void) => unknown,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const done = (error: unknown, result?: Result) => (error ? reject(asError(error)) : resolve(result))
    callApp(() => call(done), reject)
  })
}

/** Reports a failure of the app's code where nothing waits for it, as a process warning. */
export function warnOf(error: Error): void {
  try {
    process.emitWarning(error)
  } catch {
    process.emitWarning(inspect(error)) // No error, or one of another realm, as in a user's Jest.
  }
}
