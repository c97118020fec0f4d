import 'reflect-metadata'
import {
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  Module,
  Redirect,
  Req,
  UseGuards,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AuthGuard, PassportSerializer, PassportStrategy } from '@nestjs/passport'
import { ExpressAdapter } from '@nestjs/platform-express'
import type { Request } from 'express'
import session from 'express-session'
import passport from 'passport'
import {
  type Login,
  MemoryTokenStore,
  PagerDutyStrategy,
  type StrategyOptions,
  sessionTokens,
} from '../../src'
import { type Simulator, approve, startPagerDuty } from '../../src/testing'
import { type RunningApp, serve } from '../support/app'
import { Browser } from '../support/browser'

const secret = 'a secret of thirty-two characters or more, for tests'

let simulator: Simulator
let app: RunningApp | undefined

beforeAll(async () => {
  simulator = await startPagerDuty()
})
afterEach(() => app?.close())
afterAll(() => simulator.close())

/** Decorators as TypeScript compiles them: the compiler of the tests knows none that take a method apart. */
function decorate(prototype: object, method: string, ...decorators: MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method) as PropertyDescriptor
  for (const one of decorators) one(prototype, method, descriptor)
}

class LoginGuard extends AuthGuard('pagerduty') {
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const passed = (await super.canActivate(context)) as boolean
    await super.logIn(context.switchToHttp().getRequest<Request>())
    return passed
  }
}

class UserSerializer extends PassportSerializer {
  serializeUser(user: unknown, done: (error: unknown, user?: unknown) => void): void {
    done(null, user)
  }
  deserializeUser(user: unknown, done: (error: unknown, user?: unknown) => void): void {
    done(null, user)
  }
}

class AppController {
  begin(): void {}
  finish(): { url: string } {
    return { url: '/me' }
  }
  me({ user, pagerduty }: Request): object {
    return { user: user ?? null, granted: pagerduty.grantedScopes }
  }
}
decorate(AppController.prototype, 'begin', Get('auth'), UseGuards(LoginGuard))
decorate(AppController.prototype, 'finish', Get('auth/callback'), UseGuards(LoginGuard), Redirect())
decorate(AppController.prototype, 'me', Get('me'))
Req()(AppController.prototype, 'me', 0)
Controller()(AppController)

/** A NestJS app whose strategy is a class with this `validate`, made by NestJS itself. */
function startNest(validate: (login: Login, req: Request) => unknown): Promise<RunningApp> {
  return serve(async (express, url) => {
    const options: StrategyOptions = {
      ...simulator.options(),
      callbackURL: `${url}/auth/callback`,
      scope: ['incidents.read'],
      tokenStore: new MemoryTokenStore(),
      secret,
    }
    class AppStrategy extends PassportStrategy(PagerDutyStrategy) {
      constructor() {
        super(options)
      }
      validate(login: Login, req: Request): unknown {
        return validate(login, req)
      }
    }
    class AppModule {}
    Module({ controllers: [AppController], providers: [AppStrategy, UserSerializer] })(AppModule)

    const nest = await NestFactory.create(AppModule, new ExpressAdapter(express), {
      logger: false,
      abortOnError: false,
    })
    nest.use(session({ secret, resave: false, saveUninitialized: false }))
    nest.use(passport.session())
    nest.use(sessionTokens({ ...options, strategy: nest.get(AppStrategy) }))
    await nest.init()
  })
}

async function logIn(app: RunningApp): Promise<{ browser: Browser; finished: Response }> {
  const browser = new Browser()
  const begun = await browser.visit(`${app.url}/auth`)
  const callback = await approve(begun.headers.get('location') as string, { user: 'PACME01' })
  return { browser, finished: await browser.visit(callback) }
}

describe('in a NestJS app, a login whose strategy class', () => {
  test('validates to a user comes about, and its scopes are known to the request', async () => {
    const seen = jest.fn()
    app = await startNest(async ({ user, grantedScopes }, req) => {
      seen(grantedScopes, req.path)
      await Promise.resolve()
      return { id: user.id, role: 'admin' }
    })
    const { browser, finished } = await logIn(app)
    expect([finished.status, finished.headers.get('location')]).toEqual([302, '/me'])
    expect(await (await browser.fetch(`${app.url}/me`)).json()).toEqual({
      user: { id: 'PACME01', role: 'admin' },
      granted: ['openid', 'incidents.read'],
    })
    expect(seen.mock.calls).toEqual([[['openid', 'incidents.read'], '/auth/callback']])
  })

  test.each([
    ['validates to nothing is rejected with 401', () => undefined, 401],
    ['validates to null is rejected with 401', async () => null, 401],
    ['throws a NestJS exception responds with it', () => Promise.reject(new ForbiddenException()), 403],
  ])('%s, and no one is logged in', async (_what, validate, status) => {
    app = await startNest(validate)
    const { browser, finished } = await logIn(app)
    expect(finished.status).toBe(status)
    expect(await (await browser.fetch(`${app.url}/me`)).json()).toEqual({ user: null, granted: [] })
  })
})
