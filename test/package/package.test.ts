import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publishedFolder } from '../support/published'

const root = join(__dirname, '../..')
let folder: string

/** Runs a program in the user's folder. */
function run(command: string, args: string[], cwd = folder): string {
  const env = { ...process.env, NODE_OPTIONS: '' }
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

/** The packed tarball in a user's folder. Its dependencies are those installed here, so that no registry is needed. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'user-'))
  const packed = JSON.parse(
    run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root),
  ) as [{ filename: string }] | Record<string, { filename: string }>
  const [{ filename }] = Object.values(packed) as [{ filename: string }]
  const modules = join(folder, 'node_modules')
  const target = join(modules, 'passport-pagerduty')
  mkdirSync(target, { recursive: true })
  run('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', target])
  const { dependencies } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const needed = [...Object.keys(dependencies), 'express', 'jest', '@types', 'typescript']
  for (const name of needed) symlinkSync(join(root, 'node_modules', name), join(modules, name))
  write('package.json', '{ "type": "commonjs" }')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const use = `
  const app = express()
  const pd = pagerduty({ clientID: 'a', clientSecret: 'b', callbackURL: 'https://app.example/cb', scope: 'users.read' })
  app.use(pd.auth())
  app.get('/', pd.requireScopes('users.read'), (req, res) => { res.json(req.pagerduty.user) })
`

test('the package depends on Passport, on ioredis, and on what express-session and Express read cookies with', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as LockedPackage
  expect(Object.keys(dependencies ?? {})).toEqual([
    'cookie',
    'cookie-signature',
    'express-session',
    'ioredis',
    'passport',
    'passport-oauth2',
  ])
})

test('at most 95 packages are installed, the package and Express included', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>
  }
  const installed = new Set([''])
  const needed = ['express', ...Object.keys(packages['']?.dependencies ?? {})]
  // A set grows while it is gone through.
  const queue = new Set(needed.map((name) => ({ name, from: '' })))
  for (const { name, from } of queue) {
    const path = placeOf(name, from, packages)
    if (installed.has(path)) continue
    installed.add(path)
    for (const next of Object.keys(packages[path]?.dependencies ?? {})) queue.add({ name: next, from: path })
  }
  expect(installed).toContain('node_modules/express')
  expect(installed.size).toBeGreaterThan(50)
  expect(installed.size).toBeLessThanOrEqual(95)
})

interface LockedPackage {
  dependencies?: Record<string, string>
}

/** Where a package finds one that it depends on. */
function placeOf(name: string, from: string, packages: Record<string, LockedPackage>): string {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`
    if (path in packages) return path
    if (at === '') throw new Error(`${name} is not in the lock file`)
  }
}

test('the tarball loads in CommonJS', () => {
  write(
    'use.cjs',
    `const express = require('express'); const { pagerduty } = require('passport-pagerduty'); ${use}
    const { startPagerDuty } = require('passport-pagerduty/testing')
    startPagerDuty().then((simulator) => simulator.close()).then(() => console.log('loaded'))`,
  )
  expect(run('node', ['use.cjs'])).toBe('loaded\n')
})

test('the command is there, and no import of the package loads it', () => {
  const { bin } = JSON.parse(
    readFileSync(join(folder, 'node_modules/passport-pagerduty/package.json'), 'utf8'),
  ) as {
    bin: Record<string, string>
  }
  const program = join(folder, 'node_modules/passport-pagerduty', bin['passport-pagerduty'] as string)
  expect(run('node', [program, '--help'])).toMatch(/^Usage: passport-pagerduty <command>/)
  write(
    'loaded.cjs',
    `require('passport-pagerduty'); require('passport-pagerduty/testing')
    console.log(Object.keys(require.cache).filter((path) => path.includes('passport-pagerduty/dist/')).length > 50,
      Object.keys(require.cache).filter((path) => path.includes('dist/cli/')))`,
  )
  expect(run('node', ['loaded.cjs'])).toBe('true []\n')
})

test('the tarball loads in ESM', () => {
  write(
    'use.mjs',
    `import express from 'express'; import { pagerduty, Strategy } from 'passport-pagerduty'; ${use}
    import { startPagerDuty } from 'passport-pagerduty/testing'
    await (await startPagerDuty()).close(); console.log(Strategy.name)`,
  )
  expect(run('node', ['use.mjs'])).toBe('PagerDutyStrategy\n')
})

test('ESM finds each name that CommonJS has, and all of them in the default import', () => {
  write(
    'names.mjs',
    `import { createRequire } from 'node:module'
    const require = createRequire(import.meta.url)
    for (const name of ['passport-pagerduty', 'passport-pagerduty/testing']) {
      const imported = await import(name)
      const { __esModule, ...required } = require(name)
      const lost = Object.keys(required).filter((one) => imported[one] !== required[one])
      console.log(Object.keys(required).length > 5, lost, imported.default === require(name))
    }`,
  )
  expect(run('node', ['names.mjs'])).toBe('true [] true\ntrue [] true\n')
})

test('the tarball loads in a CommonJS Jest, and a login works there', () => {
  write(
    'use.test.js',
    `
    const express = require('express'); const { pagerduty } = require('passport-pagerduty')
    const { approve, startPagerDuty } = require('passport-pagerduty/testing')
    test('login', async () => {
      const simulator = await startPagerDuty()
      const app = express()
      const server = app.listen(0, '127.0.0.1'); await new Promise((resolve) => server.once('listening', resolve))
      const url = 'http://127.0.0.1:' + server.address().port
      const pd = pagerduty({ ...simulator.options(), callbackURL: url + '/auth/pagerduty/callback', scope: 'users.read' })
      app.use(pd.auth())
      const begun = await fetch(url + '/auth/pagerduty', { redirect: 'manual' })
      const cookie = begun.headers.getSetCookie()[0].split(';')[0]
      const callback = await approve(begun.headers.get('location'))
      const finished = await fetch(callback, { redirect: 'manual', headers: { cookie } })
      expect(finished.headers.get('location')).toBe('/')
      await pd.close(); await simulator.close(); server.close(); server.closeAllConnections()
    })`,
  )
  const report = run(join(root, 'node_modules/.bin/jest'), ['--rootDir', folder, '--ci', '--json'])
  expect(JSON.parse(report)).toMatchObject({ numPassedTests: 1, numTotalTests: 1 })
})

test('the tarball measures with @opentelemetry/api where the app has it, in CommonJS and ESM', () => {
  const scope = join(folder, 'with-api')
  const modules = join(scope, 'node_modules')
  mkdirSync(modules, { recursive: true })
  cpSync(join(folder, 'node_modules/passport-pagerduty'), join(modules, 'passport-pagerduty'), {
    recursive: true,
  })
  symlinkSync(join(root, 'node_modules/@opentelemetry'), join(modules, '@opentelemetry'))
  const measure = `
    const counted = []
    const meter = {
      createCounter: (name) => ({ add: () => counted.push(name) }),
      createHistogram: () => {},
      createObservableGauge: () => ({ addCallback() {} }),
    }
    metrics.setGlobalMeterProvider({ getMeter: () => meter })
    ${use}
    const server = app.listen(0, '127.0.0.1', async () => {
      await fetch('http://127.0.0.1:' + server.address().port)
      console.log(counted.join()); server.close(); server.closeAllConnections(); await pd.close()
    })`
  writeFileSync(
    join(scope, 'use.cjs'),
    `const express = require('express'); const { pagerduty } = require('passport-pagerduty')
    const { metrics } = require('@opentelemetry/api'); ${measure}`,
  )
  writeFileSync(
    join(scope, 'use.mjs'),
    `import express from 'express'; import { pagerduty } from 'passport-pagerduty'
    import { metrics } from '@opentelemetry/api'; ${measure}`,
  )
  for (const program of ['use.cjs', 'use.mjs'])
    expect(run('node', [program], scope)).toBe('passport_pagerduty.denials\n')
})

test('the types compile for a user, under CommonJS and ESM, without the types of our dependencies', () => {
  write(
    'use.cts',
    `import express = require('express'); import { pagerduty } from 'passport-pagerduty'; ${use}`,
  )
  write(
    'use.mts',
    `import express from 'express'; import { pagerduty, PagerDutyStrategy, type TokenStore } from 'passport-pagerduty'
    import { startPagerDuty } from 'passport-pagerduty/testing'; ${use}
    const own: TokenStore | undefined = undefined
    new PagerDutyStrategy({ clientID: 'a', clientSecret: 'b', callbackURL: 'https://a.example/cb', scope: ['users.read'], tokenStore: own },
      async ({ user, tokens }, req) => ({ id: user.id, scope: tokens.scope, path: req.path }))
    pagerduty({ verify: async ({ user }) => user.id, redis: 'redis://127.0.0.1' }).on('login', ({ user }) => user.id)
    await startPagerDuty()`,
  )
  const literals = (pd: string) => `
    ${pd}.requireScopes('incidents.read', 'users:contact_methods.read', 'read', { stepUp: false })
    // @ts-expect-error: a misspelt scope
    ${pd}.requireScopes('incidents.raed')
    // @ts-expect-error: letters count
    ${pd}.requireScopes('users.read', 'Incidents.read')
    // @ts-expect-error: two scopes in one text
    ${pd}.requireAnyScope('incidents.read users.read')
    // @ts-expect-error: a text of which nothing is known
    ${pd}.requireScopes(String('incidents.read'))
    // @ts-expect-error: a list in the place of scopes
    ${pd}.requireScopes(['incidents.read'])
    // @ts-expect-error: there may be nothing there
    ${pd}.requireScopes(process.env['SCOPE'] as 'users.read' | undefined)
    ${pd}.requireScopesFor('GET /incidents', 'POST /incidents')
    ${pd}.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': 'users.read' } })
    ${pd}.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': ['users.read', 'teams.read'] } })
    // @ts-expect-error: a misspelt operation
    ${pd}.requireScopesFor('GET /incidnts')
    // @ts-expect-error: an operation that is none, in the options
    ${pd}.requireScopesFor('GET /users/me', { scopes: { 'GET /user/me': 'users.read' } })
    // @ts-expect-error: a misspelt scope, in the options
    ${pd}.requireScopesFor('GET /users/me', { scopes: { 'GET /users/me': 'user.read' } })
  `
  const words = `${literals('pd')} ${literals('parts')}
    const access: 'read' | 'write' = scopes['users:sessions.write'].access
    const note: string | undefined = scopes['incident.read'].note
    const declared: readonly Scope[] | undefined = operationScopes['GET /incidents/{id}']
    // @ts-expect-error: a misspelt operation
    const wrong = operationScopes['GET /incidnts']
    // @ts-expect-error: an operation that there is not, of a method and a path that there are
    const mixed = operationScopes['DELETE /incidents']
    // @ts-expect-error: a scope that there is not, of a resource and an access that there are
    const odd: Scope = 'oncalls.write'
    const operation: Operation = 'PATCH /scim/v2/Users/{id}'
    const needed: readonly Scope[] | 'unknown' = scopesFor('GET /incidents/{id}')
    const anything = scopesFor(String('GET /incidents/PT4KHLK'))
    // @ts-expect-error: not without a look whether it is known
    const first: Scope = scopesFor('GET /incidents')[0]
    const lists: ListPath[] = ['/incidents', '/audit/records']
    // @ts-expect-error: no list
    const list: ListPath = '/users/me'
    pagerduty().appTokens.paginate<{ id: string }>('/incidents?urgencies[]=high')
    const scope: Scope = 'jira_cloud_rules.write'
    // @ts-expect-error: Scope is no text
    const text: Scope = 'incidents.raed'
    // @ts-expect-error: the names of a policy
    pagerduty({ scope: 'users.read', partialGrant: 'refuse' })
    pagerduty({ scope: 'users.read', partialGrant: async ({ missing }, req) => missing.length < 2 && req.path !== '/' })
    export { access, anything, declared, first, list, lists, mixed, needed, note, odd, operation, scope, text, wrong }
  `
  const values = 'operationScopes, pagerduty, scopes, scopesFor, type ListPath, type Operation, type Scope'
  write(
    'literals.mts',
    `import express from 'express'; import { ${values} } from 'passport-pagerduty'
    import * as parts from 'passport-pagerduty'; ${use} ${words}`,
  )
  write(
    'literals.cts',
    `import express = require('express'); import { ${values} } from 'passport-pagerduty'
    import parts = require('passport-pagerduty'); ${use} ${words}`,
  )
  write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2023',
        strict: true,
        noEmit: true,
        types: ['node', 'express'],
      },
      files: ['use.cts', 'use.mts', 'literals.cts', 'literals.mts'],
    }),
  )
  expect(complaintsOf(() => run(join(root, 'node_modules/.bin/tsc'), ['-p', '.']))).toBe('')
})

const ofUser = `
  declare global { namespace Express { interface User extends PagerDutyUser { isAdmin?: boolean } } }
  pd.on('login', ({ user }) => user.id)
  app.get('/me', pd.requireLogin(), async (req, res) => {
    const { user, grantID } = req.pagerduty.requireLogin()
    const id: string = user.id
    await pd.grants.keep(grantID)
    // @ts-expect-error: without it, no user may be logged in
    const unsure: string = req.pagerduty.user.id
    const own: string | undefined = req.user?.accountID
    // @ts-expect-error: not there without a look
    const isAdmin: boolean | undefined = req.user.isAdmin
    // @ts-expect-error: no member of this app's user
    const nothing: unknown = req.user?.name
    res.json({ id, unsure, own, isAdmin, nothing, token: await req.pagerduty.requireLogin().getAccessToken() })
  })
`

test.each([
  ['without the types of Passport', ''],
  ['merged with the types of Passport', "import passport from 'passport'; passport.use(pd.strategy)"],
])(
  'a user has a type behind a guard, and req.user has the members that the app declares, %s',
  (_what, more) => {
    const [imports = '', rest = ''] = more.split('; ')
    write(
      'user.mts',
      `import express from 'express'; import { pagerduty, type PagerDutyUser } from 'passport-pagerduty'; ${imports}
    ${use} ${rest} ${ofUser}`,
    )
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ['node', 'express'],
    }
    write('tsconfig.user.json', JSON.stringify({ compilerOptions, files: ['user.mts'] }))
    const compile = () => run(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.user.json'])
    expect(complaintsOf(compile)).toBe('')
  },
)

/** What the compiler prints. */
function complaintsOf(compile: () => string): string {
  try {
    return compile()
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

test('the tarball holds what is needed and nothing else, in less than 210 KB', () => {
  const published = publishedFolder()
  const packed = run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], published)
  rmSync(published, { recursive: true })
  const [{ size, files }] = Object.values(JSON.parse(packed) as object) as [
    { size: number; files: { path: string }[] },
  ]
  expect(size).toBeLessThan(210_000)
  const strange = files
    .map((file) => file.path)
    .filter((path) => !/^(dist\/|package.json$|README|LICENSE|CHANGELOG)/.test(path))
  expect(strange).toEqual([])
  expect(files.map((file) => file.path)).toContain('dist/oauth/jose.LICENSE.md')
})
