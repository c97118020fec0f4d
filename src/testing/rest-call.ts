import type { Token } from './tokens'
import type { AccountData } from './sample-data'
import { Refusal, apiError } from './wire'

/** A call of the REST API that may be carried out. */
export interface Call {
  /** What the path names. */
  id: string | undefined
  body: string
  token: Token
  data: AccountData
  now: number
  query: URLSearchParams
}

export function invalidInput(error: string): Refusal {
  return new Refusal(apiError(400, 'Invalid Input Provided', 2001, [error]))
}

export function argumentsCausedError(error: string): Refusal {
  return new Refusal(apiError(400, 'Arguments Caused Error', 2002, [error]))
}

export function notFound(message = 'Not Found'): Refusal {
  return new Refusal(apiError(404, message, 2100))
}

export function find<Item extends { id: string }>(items: readonly Item[], wanted: unknown): Item {
  const item = items.find(({ id }) => id === wanted)
  if (!item) throw notFound()
  return item
}

/** What the body has under that name. */
export function given<Input>({ body }: Call, name: string): Input {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {}
  const input = (parsed as Record<string, unknown> | null | undefined)?.[name]
  if (typeof input !== 'object' || input === null) throw invalidInput(`The body has no "${name}"`)
  return input as Input
}
