import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import type { PagerDuty, Scope } from '../../../src'

/** Counts that a handler ran which a guard stands before. */
export type Ran = () => void

/** What an attacker puts in place of `req.pagerduty` to get through. */
const forged = {
  user: { id: 'PACME01' },
  grantedScopes: ['incidents.read', 'services.read'],
  appType: 'scoped',
  has: () => true,
  missing: () => [],
  confirm: () => {},
}

/** Guards that were mounted before what they rely on. */
export function misplacedGuards(app: Express, pd: PagerDuty, ran: Ran): void {
  const answer: RequestHandler = (_req, res) => {
    ran()
    res.json('through')
  }
  const forge: RequestHandler = (req, _res, next) => {
    Object.assign(req, { pagerduty: forged })
    next()
  }
  app.all('/misplaced', pd.requireLogin(), answer)
  app.all('/misplaced/scope', pd.requireScopes('incidents.read'), answer)
  app.all('/misplaced/forged', forge, pd.requireScopes('incidents.read'), answer)
}

/** Guards wherever one can stand. */
export function guardedRoutes(app: Express, pd: PagerDuty, ran: Ran): void {
  const guard = pd.requireScopes('services.read')
  const answer: RequestHandler = (_req, res) => {
    ran()
    res.json('through')
  }
  // Before all that is below a path.
  app.use('/admin', guard, express.Router().use(answer))
  app.all('/twice', guard, pd.requireLogin(), guard, pd.requireScopes('services.read'), answer)
  // The guard sees the request after the response, much of which has not been sent yet.
  app.get(
    '/late',
    (_req, res, next) => {
      res.json('answered'.repeat(2_000_000))
      next()
    },
    guard,
    () => ran(),
  )
  app.get('/any', pd.requireAnyScope('services.read'), answer)
  app.get('/operation', pd.requireScopesFor('GET /services'), answer)
  // Takes what it wants to call from the request, as a careless handler does, once the test lets it.
  app.get('/resource', pd.requireLogin(), (req, res, next) => {
    resource(req, res).catch(next)
  })
  app.get('/wrong-guards', (_req, res) => void res.json(wrongGuards(pd)))
}

async function resource(req: Request, res: Response): Promise<void> {
  const { gate, url = '/incidents', follow } = req.query as Record<string, string | undefined>
  if (gate !== undefined) await fetch(gate)
  let answer = await req.pagerduty.fetch(url)
  if (follow !== undefined) {
    const { next } = (await answer.json()) as { next: string }
    answer = await req.pagerduty.fetch(next)
  }
  res.status(answer.status).send(await answer.text())
}

/** Guards that would require nothing, or less than was meant, each with the name of the error that it caused. */
function wrongGuards(pd: PagerDuty): Record<string, string> {
  const lists: Record<string, unknown[]> = {
    nothing: [],
    undefined: [undefined],
    null: [null],
    'an empty text': [''],
    'a number': [5],
    true: [true],
    'an empty list': [[]],
    'a list': [['incidents.read']],
    'options only': [{ stepUp: false }],
    'a scope and undefined': ['incidents.read', undefined],
    'two in one text': ['incidents.read users.read'],
    'a line end': ['incidents.read\n'],
    'a function': [() => true],
  }
  const made = Object.entries(lists).flatMap(([what, list]) =>
    (['requireScopes', 'requireAnyScope', 'requireScopesFor'] as const).map((guard): [string, string] => {
      try {
        pd[guard](...(list as Scope[] & 'GET /services'[]))
        return [`${guard}, ${what}`, 'made']
      } catch (error) {
        return [`${guard}, ${what}`, (error as Error).name]
      }
    }),
  )
  return Object.fromEntries(made)
}
