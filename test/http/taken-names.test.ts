import session from 'express-session'
import express, { type Express, type Request } from 'express'
import express4 from 'express4'
import { IncomingMessage } from 'node:http'
import { Passport } from 'passport'
import request from 'supertest'
import { clientOf } from '../support/client'

/** Everything that can be reached on an object, by names that an instance can have. */
function membersOf(value: object): string[] {
  const names = new Set<string>()
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name)
  }
  return [...names].filter((name) => /^[a-z][\w-]{0,31}$/i.test(name))
}

/** A request, and its session, as the handlers of an app with express-session and Passport have them. */
async function seenBy(app: Express): Promise<{ req: Request; held: object }> {
  const passport = new Passport()
  let seen: { req: Request; held: object } | undefined
  app.use(express.json(), session({ secret: 'a secret', resave: false, saveUninitialized: true }))
  app.use(passport.initialize(), passport.session())
  app.get('/:id', (req, res) => {
    seen = { req, held: req.session }
    res.json(null)
  })
  await request(app).get('/1').expect(200)
  return seen as unknown as { req: Request; held: object }
}

const isRefused = (name: string) => {
  try {
    clientOf({ name })
    return false
  } catch {
    return true
  }
}

test.each<[string, () => Express]>([
  ['Express 5', () => express()],
  ['Express 4', () => express4() as unknown as Express],
])('an instance has no name that a request or its session has already, in %s', async (_version, make) => {
  const { req, held } = await seenBy(make())
  const members = [...membersOf(req), ...membersOf(held), ...membersOf(IncomingMessage.prototype)]
  expect(members).toEqual(
    expect.arrayContaining([
      'url',
      'session',
      'app',
      'res',
      'next',
      'logIn',
      'isAuthenticated',
      'cookie',
      'params',
    ]),
  )
  expect(members.filter((name) => !isRefused(name))).toEqual([])
})

test.each(['user', 'session', 'passport', 'signedCookies'])('it is rejected by name: %s', (name) => {
  expect(() => clientOf({ name })).toThrow(
    `"name" is "${name}", and a request or a session has a member of that name already`,
  )
})

test.each(['pagerduty', 'acme', 'pd-eu', 'scoped'])('others are not: %s', (name) => {
  expect(clientOf({ name }).name).toBe(name)
})
