import type { Express, Request } from 'express'
import type { Session } from 'express-session'

/** A request that is held up until the test lets it go on. */
interface Slow {
  readonly begun: Promise<void>
  readonly goesOn: Promise<void>
  begin(): void
  goOn(): void
}

const all = new Map<string, Slow>()

/** Requests that hold the session for as long as the attacker wants, and what they do to it meanwhile. */
export function sessionRoutes(to: Express): void {
  to.get('/slow/:key', async (req, res) => {
    const slow = slowOf(req.params.key)
    const { session } = req as Request & { session: Session & { views?: number } }
    slow.begin()
    await slow.goesOn
    if (req.query['reload'] !== undefined) await new Promise((done) => session.reload(done))
    if (req.query['change'] !== undefined) Object.assign(session, { views: (session.views ?? 0) + 1 })
    res.json('ended')
  })
  to.get('/slow/:key/begun', async (req, res) => {
    await slowOf(req.params.key).begun
    res.json('begun')
  })
  to.get('/slow/:key/go-on', (req, res) => {
    slowOf(req.params.key).goOn()
    res.json('goes on')
  })
}

function slowOf(key: string): Slow {
  const [begun, begin] = signal()
  const [goesOn, goOn] = signal()
  const slow = all.get(key) ?? { begun, begin, goesOn, goOn }
  all.set(key, slow)
  return slow
}

function signal(): [Promise<void>, () => void] {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return [given, give]
}
