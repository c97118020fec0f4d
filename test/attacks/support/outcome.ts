import type { Configuration } from './configurations'

/** What became of a request. */
export interface Outcome {
  status: number
  location: string | null
}

export function outcomeOf(answer: Response): Outcome {
  return { status: answer.status, location: answer.headers.get('location') }
}

/** A callback that fails: `pd.auth()` responds itself; with the individual middleware, Passport redirects as the app wants. */
export function refusal({ style }: Pick<Configuration, 'style'>, status: number): Outcome {
  return style === 'drop-in' ? { status, location: null } : { status: 302, location: '/failed' }
}
