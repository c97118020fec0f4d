import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type * as library from '../../src'
import { type Simulator, startPagerDuty } from '../../src/testing'
import type * as testing from '../../src/testing'
import { Browser } from '../support/browser'
import { startDropIn } from '../support/drop-in'

/** The optional members that cannot be given as undefined where a user's `exactOptionalPropertyTypes` is on. */
type Refusing<Options> = {
  [Name in keyof Options]-?: object extends Pick<Options, Name>
    ? undefined extends Required<Pick<Options, Name>>[Name]
      ? never
      : Name
    : never
}[keyof Options]

/** `true` where there are none, else their names, for the compiler's message. */
type Accepts<Options> = [Refusing<Options>] extends [never] ? true : Refusing<Options>

/** What users give. The compiler sees to each. */
const options = {
  AppTokenInit: true satisfies Accepts<Omit<library.AppTokenInit, keyof RequestInit>>,
  AppTokenOptions: true satisfies Accepts<library.AppTokenOptions>,
  AppTokensOptions: true satisfies Accepts<library.AppTokensOptions>,
  AuthenticateOptions: true satisfies Accepts<library.AuthenticateOptions>,
  BearerInit: true satisfies Accepts<Omit<library.BearerInit, keyof RequestInit>>,
  ClientOptions: true satisfies Accepts<library.ClientOptions>,
  Decision: true satisfies Accepts<testing.Decision>,
  ErrorDetails: true satisfies Accepts<library.ErrorDetails>,
  FaultAnswer: true satisfies Accepts<testing.FaultAnswer>,
  GetAccessTokenOptions: true satisfies Accepts<library.GetAccessTokenOptions>,
  GrantOptions: true satisfies Accepts<library.GrantOptions>,
  GuardOptions: true satisfies Accepts<library.GuardOptions>,
  Logger: true satisfies Accepts<library.Logger>,
  LoginAs: true satisfies Accepts<testing.LoginAs>,
  LoginOptions: true satisfies Accepts<library.LoginOptions>,
  OperationGuardOptions: true satisfies Accepts<library.OperationGuardOptions>,
  PageInit: true satisfies Accepts<Omit<library.PageInit, keyof RequestInit>>,
  PagerDutyOptions: true satisfies Accepts<library.PagerDutyOptions>,
  PostgresTokenStoreOptions: true satisfies Accepts<library.PostgresTokenStoreOptions>,
  RedisTokenStoreOptions: true satisfies Accepts<library.RedisTokenStoreOptions>,
  Routes: true satisfies Accepts<library.Routes>,
  SameOriginOptions: true satisfies Accepts<library.SameOriginOptions>,
  SQLiteTokenStoreOptions: true satisfies Accepts<library.SQLiteTokenStoreOptions>,
  SendWebhookOptions: true satisfies Accepts<testing.SendWebhookOptions>,
  SessionCookie: true satisfies Accepts<library.SessionCookie>,
  SessionLifetimes: true satisfies Accepts<library.SessionLifetimes>,
  SessionOptions: true satisfies Accepts<library.SessionOptions>,
  SessionTokensOptions: true satisfies Accepts<library.SessionTokensOptions>,
  Settings: true satisfies Accepts<testing.Settings>,
  SimulatorClient: true satisfies Accepts<testing.SimulatorClient>,
  SimulatorOptions: true satisfies Accepts<testing.SimulatorOptions>,
  StoreOptions: true satisfies Accepts<library.StoreOptions>,
  StrategyOptions: true satisfies Accepts<library.StrategyOptions>,
  TokenStoreTestOptions: true satisfies Accepts<testing.TokenStoreTestOptions>,
  WebhookEventInit: true satisfies Accepts<testing.WebhookEventInit>,
  WebhookOptions: true satisfies Accepts<library.WebhookOptions>,
  WebhookReceiverOptions: true satisfies Accepts<library.WebhookReceiverOptions>,
}

const index = (path: string) => readFileSync(join(__dirname, '../../src', path), 'utf8')

test('every exported type of that name or kind is looked at', () => {
  const exported = [...(index('index.ts') + index('testing/index.ts')).matchAll(/export type \{([^}]*)\}/g)]
    .flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))
    .filter((name) => /(Options|Init|Lifetimes|Cookie|Settings|Details)$/.test(name))
  expect(exported.length).toBeGreaterThan(15)
  expect(exported.filter((name) => !(name in options))).toEqual([])
})

test('an option of a guard that is undefined is that of its instance', async () => {
  const simulator: Simulator = await startPagerDuty()
  const onError = jest.fn((error: Error, _req: unknown, res: { status(code: number): { end(): void } }) =>
    res.status((error as library.PagerDutyOAuthError).status).end(),
  )
  const own = { name: undefined, loginPath: undefined, stepUpScope: undefined, onError: undefined }
  const app = await startDropIn(simulator, { onError, routes: { login: undefined } }, (express, pd) => {
    express.get('/login', pd.requireLogin(own))
    express.get('/scopes', pd.requireScopes('users.read', own))
    express.get('/any', pd.requireAnyScope('users.read', own))
    express.get('/operation', pd.requireScopesFor('GET /incidents', own))
  })
  for (const path of ['/login', '/scopes', '/any', '/operation']) {
    expect((await app.get(new Browser(), path)).status).toBe(401)
  }
  expect(onError).toHaveBeenCalledTimes(4)
  await app.close()
  await simulator.close()
})
