import type { IncomingMessage } from 'node:http'

/** Path and query of a request as received. Express keeps them in `originalUrl`; a plain request has only `url`. */
export function targetOf(req: IncomingMessage): string {
  return (req as { originalUrl?: string }).originalUrl ?? req.url ?? '/'
}

/** The path alone; cheap, since every request needs it. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}

/** The parts of a request target, see {@link targetOf}. Never throws, whatever a client sends. */
export function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const [, path = '', query = ''] = /^([^?#]*)\??([^#]*)/.exec(target) ?? []
  return { path, query: new URLSearchParams(query) }
}
