import type { Configuration } from './configurations'

/** What became of a request. */
export interface Outcome {
  status: number
  location: string | null
}

export function outcomeOf(answer: Response): Outcome {
  return { status: answer.status, location: answer.headers.get('location') }
}

/** A callback that fails: the drop-in says so itself, with the parts Passport goes where the app wants it to. */
export function refusal({ style }: Pick<Configuration, 'style'>, status: number): Outcome {
  return style === 'drop-in' ? { status, location: null } : { status: 302, location: '/failed' }
}
