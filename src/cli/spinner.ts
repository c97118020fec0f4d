import type { WriteStream } from 'node:tty'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const clearLine = '\r\u001b[K'

/** Turns on a terminal while something is waited for, and leaves nothing behind. Elsewhere it says nothing. */
export async function withSpinner<T>(
  stream: Pick<WriteStream, 'isTTY' | 'write'>,
  text: string,
  work: Promise<T>,
): Promise<T> {
  if (!stream.isTTY || process.env['TERM'] === 'dumb') return work
  let turn = 0
  const draw = () => stream.write(`${clearLine}${frames[turn++ % frames.length]} ${text}`)
  draw()
  const timer = setInterval(draw, 80)
  try {
    return await work
  } finally {
    clearInterval(timer)
    stream.write(clearLine)
  }
}
