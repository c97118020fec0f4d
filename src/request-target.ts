/** The path alone: that is looked at with every request. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}

/** Path and query of a request as it arrived (`req.originalUrl`). Takes whatever a client can send, and never throws. */
export function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const [, path = '', query = ''] = /^([^?#]*)\??([^#]*)/.exec(target) ?? []
  return { path, query: new URLSearchParams(query) }
}
