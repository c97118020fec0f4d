import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from '../support/browser'
import { type DropIn, startDropIn } from '../support/drop-in'

let simulator: Simulator
let app: DropIn
let browser: Browser

beforeAll(async () => {
  simulator = await startPagerDuty()
  app = await startDropIn(simulator, {}, (express, pd) => {
    express.use((_req, res, next) => {
      res.set({ Vary: 'Accept-Encoding', 'Cache-Control': 'public, max-age=60' })
      next()
    })
    express.get('/public', (_req, res) => void res.json('for all'))
    express.get('/guarded', pd.requireScopes('users.read'), (_req, res) => void res.json('for one'))
    express.get('/twice', pd.requireLogin(), pd.requireScopes('users.read'), (_req, res) => void res.json(1))
    express.get('/own', pd.requireLogin(), (_req, res) => {
      res.set('Cache-Control', 'private, no-cache').json(1)
    })
    express.get('/not-granted', pd.requireScopes('services.read'))
    express.get('/not-asked-for', pd.requireScopes('services.read', { stepUp: false }))
  })
  ;({ browser } = await app.logIn())
  await app.get(browser)
})
afterAll(async () => {
  await app.close()
  await simulator.close()
})

async function headers(path: string, visit: 'get' | 'visit' = 'get', who = browser): Promise<unknown[]> {
  const answer = visit === 'get' ? await app.get(who, path) : await who.visit(app.url + path)
  return [answer.status, answer.headers.get('cache-control'), answer.headers.get('vary')]
}

const kept = ['no-store', 'Accept-Encoding, Cookie']

describe('a response behind a guard, or of the guard itself, is not cached and varies by cookie:', () => {
  test('a response of the handler', async () => {
    expect(await headers('/guarded')).toEqual([200, ...kept])
  })

  test('behind two guards as well, without saying it twice', async () => {
    expect(await headers('/twice')).toEqual([200, ...kept])
  })

  test('a redirect to the login', async () => {
    expect(await headers('/guarded', 'visit', new Browser())).toEqual([302, ...kept])
  })

  test('a redirect to PagerDuty for more', async () => {
    expect(await headers('/not-granted', 'visit')).toEqual([302, ...kept])
  })

  test('a denial as a page', async () => {
    expect(await headers('/not-asked-for', 'visit')).toEqual([403, ...kept])
  })

  test('a denial as JSON', async () => {
    expect(await headers('/not-granted')).toEqual([403, ...kept])
    expect(await headers('/guarded', 'get', new Browser())).toEqual([401, ...kept])
  })
})

test('a handler that sets Cache-Control decides for itself', async () => {
  expect(await headers('/own')).toEqual([200, 'private, no-cache', 'Accept-Encoding, Cookie'])
})

test('what is not guarded is as the app made it', async () => {
  expect(await headers('/public')).toEqual([200, 'public, max-age=60', 'Accept-Encoding'])
})
