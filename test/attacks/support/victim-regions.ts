/** The header in which the server of the test reads what host a call was meant for. */
export const meantFor = 'x-meant-for'

/** A `fetch` that brings what is for PagerDuty's own hosts to a server of the test's instead. */
export function regionsAt(url: string): typeof fetch {
  return (input, init) => {
    const { protocol, origin, pathname, search } = new URL(String(input))
    if (protocol === 'http:') return fetch(input, init)
    const headers = new Headers(init?.headers)
    headers.set(meantFor, origin)
    return fetch(url + pathname + search, { ...init, headers })
  }
}
