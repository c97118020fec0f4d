import { RequestRefusedError } from '../errors/errors'
import { apiError } from './api-error'
import { discard } from './api-request'
import { type BearerInit, callOf } from './bearer-fetch'

/** PagerDuty rejects an `offset` and `limit` that are more together. */
const mostItems = 10_000
/** A filter may leave pages empty. */
const mostEmpty = 100
/** Members of a response that say where the next page begins, each with its parameter. */
const cursors = { next_cursor: 'cursor', after: 'after' } as const

/** Options of `paginate`: those of `fetch` that a list may have. */
export type PageInit<Init extends BearerInit = BearerInit> = Omit<Init, 'method' | 'body'>

/** Iterates by a `fetch`, which sees to tokens and origin. @internal */
export async function* paginate<Item, Init extends BearerInit>(
  fetch: (pathOrURL: string, init: Init) => Promise<Response>,
  pathOrURL: string,
  init: PageInit<Init> = {} as PageInit<Init>,
): AsyncGenerator<Item, void, undefined> {
  const { method = 'GET', body = null, retry = 3, signal } = init as BearerInit
  if (method !== 'GET' || body !== null) throw noList('paginate() reads lists with GET and no body')
  const [, path = '', query] = /^([^?#]*)\??([^#]*)/.exec(pathOrURL) ?? []
  const parameters = new URLSearchParams(query)
  if (!parameters.has('limit')) parameters.set('limit', '100')
  endInTime(parameters)
  // Kept ever longer, and compared with each that follows: that finds a cycle of any length.
  let kept = ''
  let empty = 0
  for (let page = 1; ; page++) {
    const list = await listIn(
      await fetch(`${path}?${parameters.toString()}`, { ...init, retry } as unknown as Init),
    )
    const { offset } = list.body
    // Else the items of the first page would come again.
    if (page > 1 && typeof offset === 'number' && offset !== offsetIn(parameters)) throw notFollowed(list)
    empty = list.items.length === 0 ? empty + 1 : 0
    if (empty > mostEmpty) throw noList(`${list.name} has ${mostEmpty} empty pages after each other`)
    for (const item of list.items) {
      signal?.throwIfAborted()
      yield item as Item
    }
    const next = nextPage(list, parameters)
    if (next === undefined) return
    if (next === kept) throw noList(`The pages of ${list.name} repeat themselves`)
    if ((page & (page - 1)) === 0) kept = next
  }
}

interface List {
  readonly body: Readonly<Record<string, unknown>>
  readonly items: readonly unknown[]
  /** The operation; of one that is not in the catalogue, the member with the items. */
  readonly name: string
}

/** @throws {PagerDutyOAuthError} the response is an error, or does not have exactly one array */
async function listIn(answer: Response): Promise<List> {
  const error = await apiError(answer)
  if (error !== undefined) {
    discard(answer)
    throw error
  }
  const body = parse(await answer.text())
  const members = Object.keys(body)
  const [member = '', ...others] = members.filter((name) => Array.isArray(body[name]))
  const name = callOf(answer)?.operation ?? member
  if (member !== '' && others.length === 0) return { body, items: body[member] as unknown[], name }
  const found = member === '' ? 'no list' : `more than one list: ${[member, ...others].join(', ')}`
  const hint = `Read it with fetch(). Its members are: ${members.join(', ') || 'none'}.`
  throw noList(`PagerDuty’s response${name && ` to ${name}`} has ${found}`, hint)
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const body: unknown = JSON.parse(text)
    return Array.isArray(body) ? {} : (Object(body) as Record<string, unknown>)
  } catch {
    return {}
  }
}

/** Turns the parameters to the next page, and returns where that begins; undefined after the last one. */
function nextPage(list: List, parameters: URLSearchParams): string | undefined {
  const { body, items } = list
  for (const [member, parameter] of Object.entries(cursors)) {
    const cursor = body[member] ?? ''
    if (typeof cursor !== 'string') throw notFollowed(list)
    if (cursor === '') continue
    parameters.set(parameter, cursor)
    return cursor
  }
  const more = body['more'] ?? false
  if (typeof more !== 'boolean') throw notFollowed(list)
  if (!more) return undefined
  const { limit, offset } = body
  const begin = offsetIn(parameters)
  // Change events have null for both.
  const next = begin + (typeof limit === 'number' ? limit : items.length)
  if ((offset !== begin && offset !== null) || !(next > begin)) throw notFollowed(list)
  if (next >= mostItems) throw tooLong(list)
  parameters.set('offset', String(next))
  endInTime(parameters)
  return String(next)
}

/** Shortens the last page that PagerDuty gives. */
function endInTime(parameters: URLSearchParams): void {
  const left = mostItems - offsetIn(parameters)
  if (left > 0 && Number(parameters.get('limit')) > left) parameters.set('limit', String(left))
}

function offsetIn(parameters: URLSearchParams): number {
  return Number(parameters.get('offset'))
}

function notFollowed({ name }: List): RequestRefusedError {
  return noList(
    `PagerDuty’s response to ${name} says that there is more, but not where`,
    'Narrow the list, or read it with fetch().',
  )
}

function noList(message: string, hint?: string): RequestRefusedError {
  return new RequestRefusedError(message, { code: 'ERR_PAGERDUTY_NO_LIST', status: 500, hint })
}

function tooLong({ name }: List): RequestRefusedError {
  return new RequestRefusedError(`${name} has more than the 10,000 items that PagerDuty gives of one list`, {
    code: 'ERR_PAGERDUTY_LIST_TOO_LONG',
    status: 500,
    hint: 'Narrow it by since and until or by other filters, and read one list after the other.',
  })
}
