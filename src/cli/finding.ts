/** How much a finding matters. A note is what could not be checked, or is good to know; only errors fail the command. */
export type Level = 'ok' | 'note' | 'warning' | 'error'

/** What one check found. */
export interface Finding {
  /** Stable name of the check, such as `redis-eviction`. */
  readonly check: string
  readonly level: Level
  /** What is the case, in one line. */
  readonly message: string
  /** What to do about it, in one line. */
  readonly remedy: string | undefined
}

export function ok(check: string, message: string): Finding {
  return { check, level: 'ok', message, remedy: undefined }
}

export function note(check: string, message: string, remedy?: string): Finding {
  return { check, level: 'note', message, remedy }
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, level: 'warning', message, remedy }
}

export function error(check: string, message: string, remedy: string): Finding {
  return { check, level: 'error', message, remedy }
}
