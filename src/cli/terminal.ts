import type { WriteStream } from 'node:tty'

type Stream = Pick<WriteStream, 'isTTY'> & { hasColors?: () => boolean }

/** Whether to send escape codes: NO_COLOR and FORCE_COLOR decide (no-color.org, force-color.org), else the terminal does. */
export function isColoured(stream: Stream, environment: NodeJS.ProcessEnv = process.env): boolean {
  const { NO_COLOR: no, FORCE_COLOR: force, TERM: term } = environment
  if (force !== undefined) return !['0', 'false'].includes(force)
  return !no && term !== 'dumb' && stream.isTTY
}
