/** The message of a connection's error; that of a host with several addresses has one for each of them, and none of its own. */
export function messageOf({ message, errors = [] }: Error & { errors?: readonly Error[] }): string {
  const said = message || errors.map((error) => error.message).join(', ')
  // Redis repeats the first arguments of an unknown command.
  return said.replace(/, with args .*/s, '')
}

/** An error for `cause`: with this message, and of the original only its code and its stack frames. */
export function causeWith(
  message: string,
  original: { code?: unknown; message?: unknown; stack?: unknown },
): Error {
  const cause = new Error(message)
  const { code } = original
  if (typeof code === 'string' && /^[\w.-]{1,64}$/.test(code)) Object.assign(cause, { code })
  const stack = String(original.stack)
  const start = stack.indexOf(String(original.message))
  const frames =
    start === -1
      ? []
      : stack
          .slice(start + String(original.message).length)
          .split('\n')
          .slice(1)
  cause.stack = [`Error: ${message}`, ...frames].join('\n')
  return cause
}
