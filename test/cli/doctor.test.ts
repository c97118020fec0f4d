import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WriteStream } from 'node:tty'
import { withSpinner } from '../../src/cli/spinner'
import { type Simulator, defaultClient, startPagerDuty } from '../../src/testing'
import { askDoctor, runCommand, troubles } from '../support/command'

/** As random as a real one. */
const secret = 'q7Zt0Kx2Vd9mWc4RbYhN8sLfE1jUaG6p'
const clientSecret = defaultClient.clientSecret as string
const callbackURL = 'http://localhost:3000/auth/pagerduty/callback'

jest.setTimeout(120_000)

let simulator: Simulator
/** Of an app in development, without Redis: nothing is wrong with it. */
let good: Record<string, string>

beforeAll(async () => {
  const redirectURIs = [callbackURL, 'https://app.example/auth/pagerduty/callback', 'https://app.example/end']
  simulator = await startPagerDuty({
    clients: [
      { ...defaultClient, redirectURIs },
      { clientID: 'classic', clientSecret, appType: 'classic', scope: ['write'], redirectURIs },
    ],
  })
  good = {
    ...simulator.env(),
    PAGERDUTY_CALLBACK_URL: callbackURL,
    PAGERDUTY_SCOPE: 'incidents.read users.read',
    PAGERDUTY_ACCOUNT: 'us.acme',
    PAGERDUTY_WEBHOOK_SECRET: 'Xo3vQ9r5Tk1uJ7wZ2eB6yM8cH4nS0dPa',
    SESSION_SECRET: secret,
  }
})
afterAll(() => simulator.close())

test('nothing is wrong with a good configuration', async () => {
  const { code, findings } = await askDoctor(good)
  expect(troubles(findings)).toEqual([])
  expect(code).toBe(0)
})

/** What is changed, what is found and how it is reported. */
type Case = readonly [
  what: string,
  change: Record<string, string | undefined>,
  found: readonly string[],
  told: RegExp,
]

const mistakes: readonly Case[] = [
  ['no client ID', { PAGERDUTY_CLIENT_ID: undefined }, ['error client-id'], /CLIENT_ID is not set/],
  [
    'no client secret',
    { PAGERDUTY_CLIENT_SECRET: undefined },
    ['error client-secret'],
    /CLIENT_SECRET is not set.*confidential/,
  ],
  [
    'no callback URL',
    { PAGERDUTY_CALLBACK_URL: undefined },
    ['error callback-url'],
    /CALLBACK_URL is not set; it is required: an absolute URL/,
  ],
  [
    'a callback URL that is a path',
    { PAGERDUTY_CALLBACK_URL: '/auth/callback' },
    ['error callback-url'],
    /absolute URL/,
  ],
  [
    'a callback URL over plain http',
    { PAGERDUTY_CALLBACK_URL: 'http://app.example/auth/pagerduty/callback' },
    ['error callback-url'],
    /must be https/,
  ],
  [
    'a callback URL with a fragment',
    { PAGERDUTY_CALLBACK_URL: 'https://app.example/auth/pagerduty/callback#here' },
    ['error callback-url'],
    /fragment/,
  ],
  [
    'a callback URL with a slash at its end',
    { PAGERDUTY_CALLBACK_URL: `${callbackURL}/` },
    ['warning callback-url', 'error registration'],
    /ends with a slash; PagerDuty compares it exactly/,
  ],
  [
    'a callback URL with a query',
    { PAGERDUTY_CALLBACK_URL: `${callbackURL}?from=pagerduty` },
    ['warning callback-url', 'error registration'],
    /has a query/,
  ],
  [
    'a callback URL with capitals',
    { PAGERDUTY_CALLBACK_URL: callbackURL.replace('localhost', 'LocalHost') },
    ['warning callback-url', 'error registration'],
    /not written as the URL that it means/,
  ],
  [
    'the home page for a callback URL',
    { PAGERDUTY_CALLBACK_URL: 'http://localhost:3000/' },
    ['warning callback-url', 'error registration'],
    /the app’s home page/,
  ],
  [
    'localhost in production',
    { NODE_ENV: 'production', PAGERDUTY_IDENTITY_URL: 'http://127.0.0.1:9' },
    ['warning endpoints', 'warning callback-url', 'warning store', 'error identity'],
    /In production PAGERDUTY_CALLBACK_URL is localhost/,
  ],
  [
    'a callback URL that is not registered',
    { PAGERDUTY_CALLBACK_URL: 'http://localhost:4999/auth/pagerduty/callback' },
    ['error registration'],
    /does not have this callback URL/,
  ],
  [
    'one of two callback URLs that is not registered',
    { PAGERDUTY_CALLBACK_URL: `${callbackURL}, http://127.0.0.1:3000/auth/pagerduty/callback` },
    ['error registration'],
    /does not have this callback URL for it: http:\/\/127\.0\.0\.1:3000/,
  ],
  [
    'callback URLs with different paths',
    { PAGERDUTY_CALLBACK_URL: `${callbackURL},http://127.0.0.1:3000/callback` },
    ['error callback-url'],
    /all entries need the same one/,
  ],
  [
    'the second callback URL with a query',
    { PAGERDUTY_CALLBACK_URL: `${callbackURL},http://127.0.0.1:3000/auth/pagerduty/callback?a=b` },
    ['warning callback-url', 'error registration'],
    /^http:\/\/127\.0\.0\.1:3000\/auth\/pagerduty\/callback\?a=b: PAGERDUTY_CALLBACK_URL has a query/m,
  ],
  [
    'a trusted origin with a path',
    { PAGERDUTY_TRUSTED_ORIGINS: 'https://spa.example,https://app.example/app' },
    ['error trusted-origins'],
    /PAGERDUTY_TRUSTED_ORIGINS \(entry 2 of 2\) must be a list of origins/,
  ],
  [
    'an unknown client ID',
    { PAGERDUTY_CLIENT_ID: 'nobody' },
    ['error registration', 'error credentials'],
    /does not know this client ID/,
  ],
  [
    'the wrong client secret',
    { PAGERDUTY_CLIENT_SECRET: 'wrong' },
    ['error credentials'],
    /rejects client ID and client secret/,
  ],
  [
    'the wrong client secret, and no account to try it with',
    { PAGERDUTY_CLIENT_SECRET: 'wrong', PAGERDUTY_ACCOUNT: undefined },
    ['error credentials'],
    /rejects client ID and client secret/,
  ],
  [
    'an app type that does not exist',
    { PAGERDUTY_APP_TYPE: 'oauth' },
    ['error app-type'],
    /must be "scoped" or "classic"/,
  ],
  [
    'a Classic scope for a Scoped app',
    { PAGERDUTY_SCOPE: 'incidents.read write' },
    ['error scope'],
    /"write", which only Classic/,
  ],
  [
    'Scoped scopes for a Classic app',
    { PAGERDUTY_APP_TYPE: 'classic', PAGERDUTY_ACCOUNT: undefined },
    ['error scope'],
    /"incidents.read", which only Scoped/,
  ],
  [
    'an account for a Classic app',
    { PAGERDUTY_CLIENT_ID: 'classic', PAGERDUTY_APP_TYPE: 'classic', PAGERDUTY_SCOPE: 'read' },
    ['warning account'],
    /app tokens to Scoped apps only/,
  ],
  [
    'an account among the scopes',
    { PAGERDUTY_SCOPE: 'as_account-us.acme users.read' },
    ['error scope'],
    /belongs to app tokens/,
  ],
  [
    'scopes separated by commas',
    { PAGERDUTY_SCOPE: 'incidents.read,users.read' },
    ['error scopes', 'error app-token'],
    /takes for one scope/,
  ],
  [
    'a misspelt scope',
    { PAGERDUTY_SCOPE: 'incidents.raed users.read' },
    ['warning scopes', 'error app-token'],
    /Did you mean "incidents.read"/,
  ],
  [
    'a scope that the app does not have',
    { PAGERDUTY_SCOPE: 'teams.read' },
    ['error app-token'],
    /without teams.read/,
  ],
  [
    'an account of the wrong region',
    { PAGERDUTY_ACCOUNT: 'eu.acme' },
    ['error app-token'],
    /no app token for the account eu.acme/,
  ],
  [
    'an account without its region',
    { PAGERDUTY_ACCOUNT: 'acme' },
    ['error account'],
    /service region, dot and subdomain/,
  ],
  ['a From that is no address', { PAGERDUTY_FROM: 'oncall' }, ['error from'], /e-mail address/],
  [
    'a misspelt variable',
    { PAGERDUTY_CLIENTID: 'a', PAGERDUTY_CLIENT_ID: undefined },
    ['warning variable-unknown', 'error client-id'],
    /Did you mean PAGERDUTY_CLIENT_ID\?/,
  ],
  [
    'a misspelt variable without our prefix',
    { SESSION_SECRETS: secret, SESSION_SECRET: undefined },
    ['warning variable-unknown'],
    /Did you mean SESSION_SECRET\?/,
  ],
  [
    'quotes around a value',
    { PAGERDUTY_CLIENT_SECRET: `"${clientSecret}"` },
    ['error variable-quotes'],
    /docker --env-file/,
  ],
  [
    'a line end after a secret',
    { PAGERDUTY_CLIENT_SECRET: `${clientSecret}\n` },
    ['error variable-blanks'],
    /newline/,
  ],
  [
    'an example for a value',
    { PAGERDUTY_CLIENT_ID: 'your-client-id' },
    ['error variable-example'],
    /CLIENT_ID holds an example/,
  ],
  [
    'a session secret that is short',
    { SESSION_SECRET: 'Kq8v2' },
    ['error session-secret'],
    /32 characters or more/,
  ],
  [
    'a session secret of few letters',
    { SESSION_SECRET: 'abcabcab'.repeat(5) },
    ['error session-secret'],
    /and random/,
  ],
  [
    'a session secret that was typed',
    { SESSION_SECRET: 'abcdefghijklmnopqrstuvwxyz0123456789' },
    ['warning session-secret'],
    /does not look random/,
  ],
  [
    'a session secret of words',
    { SESSION_SECRET: 'correct horse battery staple over and out' },
    ['warning session-secret'],
    /does not look random/,
  ],
  [
    'an old session secret that is weak',
    { SESSION_SECRET: `${secret},${'Ab3!efgh'.repeat(5)}` },
    ['warning session-secret'],
    /number 2 of 2/,
  ],
  [
    'one secret for two things',
    { SESSION_SECRET: 'Xo3vQ9r5Tk1uJ7wZ2eB6yM8cH4nS0dPa' },
    ['error secret-reuse'],
    /WEBHOOK_SECRET and SESSION_SECRET have the same value/,
  ],
  [
    'no session secret in production',
    {
      NODE_ENV: 'production',
      SESSION_SECRET: undefined,
      PAGERDUTY_CALLBACK_URL: 'https://app.example/auth/pagerduty/callback',
    },
    ['error session-secret', 'warning endpoints', 'warning store'],
    /SESSION_SECRET is not set; it is required in production/,
  ],
  [
    'no Redis in production',
    { NODE_ENV: 'production', PAGERDUTY_CALLBACK_URL: 'https://app.example/auth/pagerduty/callback' },
    ['warning endpoints', 'warning store'],
    /lost at a restart/,
  ],
  [
    'several processes with state in memory',
    { WEB_CONCURRENCY: '4' },
    ['error processes'],
    /do not share the logins/,
  ],
  [
    'a Redis URL that is none',
    { REDIS_URL: 'localhost:6379' },
    ['error redis-url'],
    /begins with redis:\/\//,
  ],
  [
    'a webhook secret that is none',
    { PAGERDUTY_WEBHOOK_SECRET: 'short' },
    ['error webhook-secret'],
    /16 characters or more/,
  ],
  [
    'TLS without a look at certificates',
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    ['error tls'],
    /anyone on the network path/,
  ],
  [
    'the API of another PagerDuty',
    { PAGERDUTY_API_URL: undefined },
    ['warning endpoints'],
    /Set both, or neither/,
  ],
  [
    'an identity URL with a path',
    { PAGERDUTY_IDENTITY_URL: 'https://id.example/oauth' },
    ['error identity-url'],
    /must be an origin/,
  ],
  [
    'an identity URL where no server listens',
    { PAGERDUTY_IDENTITY_URL: 'http://127.0.0.1:9' },
    ['error identity'],
    /cannot be reached/,
  ],
]

test.each(mistakes)('%s is found, with a fix', async (_what, change, found, told) => {
  const { code, findings } = await askDoctor({ ...good, ...change })
  expect(troubles(findings)).toEqual(found)
  const guilty = findings.filter(({ check, level }) => found.includes(`${level} ${check}`))
  expect(guilty.map(({ message, remedy }) => `${message} ${remedy}`).join('\n')).toMatch(told)
  expect(guilty.filter(({ remedy }) => remedy === null)).toEqual([])
  expect(code).toBe(found.some((one) => one.startsWith('error')) ? 1 : 0)
})

test('an empty variable is noted, and counts as not set', async () => {
  const { findings } = await askDoctor({ ...good, PAGERDUTY_WEBHOOK_SECRET: '' })
  expect(troubles(findings)).toEqual([])
  expect(findings.map(({ level, check }) => `${level} ${check}`)).toContain('note variable-empty')
})

test('scopes that only the code knows can be named', async () => {
  const env = { ...good, PAGERDUTY_SCOPE: undefined }
  const { code, findings } = await askDoctor(env)
  expect(code).toBe(0)
  expect(findings.find(({ check }) => check === 'scope')).toMatchObject({ level: 'note' })
  expect(troubles((await askDoctor(env, '--scope', 'incidents.raed')).findings)).toContain('warning scopes')
})

test('all mistakes are reported at once', async () => {
  const { findings } = await askDoctor({
    PAGERDUTY_ACCOUNT: 'acme',
    SESSION_SECRET: 'short',
    REDIS_URL: 'here',
    PAGERDUTY_IDENTITY_URL: 'id',
  })
  expect(troubles(findings).toSorted()).toEqual(
    [
      'account',
      'callback-url',
      'client-id',
      'client-secret',
      'identity-url',
      'redis-url',
      'session-secret',
    ].map((check) => `error ${check}`),
  )
})

test('a value that is rejected is not reported as missing too', async () => {
  const wrong = { PAGERDUTY_ACCOUNT: 'acme', PAGERDUTY_WEBHOOK_SECRET: 'brief', SESSION_SECRET: 'short' }
  const { findings } = await askDoctor({ ...good, ...wrong })
  expect(troubles(findings).toSorted()).toEqual([
    'error account',
    'error session-secret',
    'error webhook-secret',
  ])
  expect(findings.filter(({ message }) => message.includes('not set'))).toEqual([])
})

test('every fault of a value is reported, and each with what to write instead', async () => {
  const { findings } = await askDoctor({
    ...good,
    PAGERDUTY_CALLBACK_URL: 'http://app.example/auth/pagerduty/callback/?a=b#c',
    PAGERDUTY_SCOPE: 'write incidents.raed',
    PAGERDUTY_ACCOUNTS: 'us.acme,acme,PACCT1,globex',
  })
  const of = (name: string) => findings.filter(({ check }) => check === name)
  const [first, ...others] = of('callback-url')
  expect(first?.message).toMatch(/must be https .*, and must have neither user information nor a fragment$/)
  expect(first?.remedy).toContain('https://app.example.com/auth/pagerduty/callback')
  expect(others.map(({ message }) => message).join('\n')).toMatch(/has a query[^]*ends with a slash/)
  expect(of('scope')[0]?.message).toContain('"write"')
  expect(of('scopes')[0]?.remedy).toContain('"incidents.read"')
  expect(of('accounts').map(({ message }) => message)).toEqual([
    expect.stringMatching(/^PAGERDUTY_ACCOUNTS \(entry 2 of 4\) must/),
    expect.stringMatching(/^PAGERDUTY_ACCOUNTS \(entry 4 of 4\) must/),
  ])
})

test.each([
  ['without a client ID', { PAGERDUTY_CLIENT_ID: undefined }],
  ['with a callback URL that is rejected', { PAGERDUTY_CALLBACK_URL: '/callback' }],
  ['with an identity URL that is rejected', { PAGERDUTY_IDENTITY_URL: 'here' }],
  ['where PagerDuty cannot be reached', { PAGERDUTY_IDENTITY_URL: 'http://127.0.0.1:9' }],
])('the report says that the registration was not checked: %s', async (_what, change) => {
  const { findings } = await askDoctor({ ...good, ...change })
  expect(findings.filter(({ check }) => check === 'registration')).toEqual([
    expect.objectContaining({ level: 'note', message: expect.stringContaining('was not checked') }),
  ])
})

test('Node that is too old is found', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
  const old = join(folder, 'old.cjs')
  writeFileSync(old, `Object.defineProperty(process.versions, 'node', { value: '20.9.0' })`)
  const { findings } = await askDoctor({ ...good, NODE_OPTIONS: `--require ${old}` })
  expect(troubles(findings)).toEqual(['error node'])
  rmSync(folder, { recursive: true })
})

describe('the report', () => {
  const broken = { PAGERDUTY_CLIENT_ID: 'your-client-id' }

  test('is plain text with a fix for each mistake, where colours would not be seen', async () => {
    const { code, stdout, stderr } = await runCommand(['doctor'], { ...good, ...broken })
    expect(code).toBe(1)
    expect(stderr).toBe('')
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toMatch(
      /^error {4}variable-example +PAGERDUTY_CLIENT_ID holds an example.*\n +-> Set the real value\.$/m,
    )
    expect(stdout).toMatch(/^ok {7}clock +/m)
    expect(stdout).toMatch(/\n\n1 error, 2 notes, \d+ ok\.\n$/)
  })

  test('has colours if FORCE_COLOR is set, and none if NO_COLOR is', async () => {
    const painted = await runCommand(['doctor'], { ...good, FORCE_COLOR: '1' })
    expect(painted.stdout).toContain('\u001b[32mok')
    const plain = await runCommand(['doctor'], { ...good, NO_COLOR: '1' })
    expect(plain.stdout).not.toContain('\u001b')
  })

  test('is one document with --json', async () => {
    const { code, stdout } = await runCommand(['doctor', '--json'], { ...good, ...broken })
    const report = JSON.parse(stdout) as { ok: boolean; findings: Record<string, unknown>[] }
    expect(report.ok).toBe(false)
    expect(Object.keys(report)).toEqual(['ok', 'findings'])
    expect(code).toBe(1)
    const levels = new Set(['ok', 'note', 'warning', 'error'])
    const misshapen = report.findings.filter(
      ({ check, level, message, remedy, ...rest }) =>
        !/^[a-z-]+$/.test(String(check)) ||
        !levels.has(String(level)) ||
        typeof message !== 'string' ||
        !(remedy === null || typeof remedy === 'string') ||
        Object.keys(rest).length > 0,
    )
    expect(misshapen).toEqual([])
    const sound = await runCommand(['doctor', '--json'], good)
    expect(JSON.parse(sound.stdout)).toMatchObject({ ok: true })
  })

  test('shows no secret, wherever it was put', async () => {
    const canary = 'CANARY9r5Tk1uJ7wZ2eB6yM8cH4nS0dPa'
    const own = {
      PAGERDUTY_CLIENT_SECRET: `${canary}A`,
      PAGERDUTY_WEBHOOK_SECRET: `${canary}B`,
      SESSION_SECRET: `${canary}C,${canary}D`,
    }
    /** Configured as nothing else, so the doctor has nothing to compare it with. */
    const unknown = 'CANARYqwErTyUiOpAsDfGhJkLzXcVbNm'
    const environments: Record<string, string>[] = [
      {},
      { PAGERDUTY_SCOPE: unknown },
      { PAGERDUTY_SCOPE: `users.read,${unknown}` },
      { PAGERDUTY_CALLBACK_URL: `user:${unknown}@host` },
      { PAGERDUTY_SCOPE: `as_account-${unknown}` },
      { [`PAGERDUTY_CLIENT_SECRET: ${unknown}`]: 'PAGERDUTY_APP_TYPE=scoped' },
      { PAGERDUTY_SCOPE: `${canary}A` },
      { PAGERDUTY_ACCOUNT: `${canary}B` },
      { PAGERDUTY_CLIENT_SECRET: `"${canary}A"`, PAGERDUTY_SCOPE: `${canary}A` },
      { PAGERDUTY_CALLBACK_URL: `http://localhost/${canary}A/callback` },
      { REDIS_URL: `redis://user:${canary}E@127.0.0.1:9`, PAGERDUTY_SCOPE: `${canary}E` },
      { REDIS_URL: `${canary}F` },
      { PAGERDUTY_IDENTITY_URL: `https://${canary}A` },
      { SESSION_SECRET: canary.slice(0, 20), PAGERDUTY_SCOPE: canary.slice(0, 20) },
    ]
    const outputs = []
    for (const change of environments) {
      const { stdout, stderr } = await runCommand(['doctor'], { ...good, ...own, ...change })
      outputs.push(stdout + stderr)
    }
    expect(outputs.filter((output) => /canary/i.test(output))).toEqual([])
    expect(outputs.filter((output) => /^\d+ (error|warning|note|ok)/m.test(output))).toHaveLength(
      environments.length,
    )
  })

  test('cannot be made to move the cursor by what stands in a variable', async () => {
    const { stdout } = await runCommand(['doctor'], { ...good, PAGERDUTY_SCOPE: 'incidents.read\u001b[2J' })
    expect(stdout).not.toContain('\u001b')
  })
})

describe('the command', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'doctor-'))
    const lines = Object.entries(good).map(([name, value]) => `${name}="${value}"`)
    writeFileSync(join(folder, '.env'), lines.join('\n'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('reads a file of variables, and the environment wins', async () => {
    const read = await runCommand(['doctor', '--env-file', '.env'], {}, folder)
    expect(read.code).toBe(0)
    const overridden = await runCommand(['doctor', '--env-file', '.env'], { SESSION_SECRET: 'short' }, folder)
    expect(overridden.stdout).toMatch(/error +session-secret/)
  })

  test('says so where a file was left out', async () => {
    const { stdout } = await runCommand(['doctor'], { PAGERDUTY_IDENTITY_URL: simulator.url }, folder)
    expect(stdout).toContain('There is a .env here, which --env-file .env reads.')
  })

  test.each([
    [[], /^Name a command: doctor or simulate\./],
    [['docter'], /^There is no command "docter"/],
    [['doctor', '--jsn'], /--jsn/],
    [['doctor', '--url', 'app.example'], /^--url has to begin with https:/],
    [['simulate', '--port', '99999'], /^--port has to be a number/],
    [['simulate', '--app-type', 'other'], /^--app-type is scoped or classic/],
  ])('ends with 2 and a sentence for %j', async (args, sentence) => {
    const { code, stdout, stderr } = await runCommand(args, {})
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(sentence)
    expect(stderr).toContain('passport-pagerduty --help')
  })

  test('fails where a file of variables is not there', async () => {
    // Node 20 reads the option too, wherever it stands, and is the first to complain.
    const { code, stdout, stderr } = await runCommand(['doctor', '--env-file', 'nowhere'], {})
    expect(code).toBeGreaterThan(1)
    expect(stdout).toBe('')
    expect(stderr).toContain('nowhere')
  })

  test('explains itself', async () => {
    for (const args of [['--help'], ['doctor', '--help'], ['simulate', '-h']]) {
      const { code, stdout } = await runCommand(args, {})
      expect(code).toBe(0)
      expect(stdout).toMatch(/^Usage: passport-pagerduty <command>[^]*--env-file[^]*--port/)
    }
  })
})

test('something turns on a terminal while it waits, and is gone afterwards; elsewhere nothing is written', async () => {
  const written: string[] = []
  const stream = (isTTY: boolean) =>
    ({ isTTY, write: (text: string) => written.push(text) > 0 }) as unknown as WriteStream
  expect(await withSpinner(stream(false), 'Asking', Promise.resolve(1))).toBe(1)
  expect(written).toEqual([])
  await expect(withSpinner(stream(true), 'Asking', Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(written[0]).toMatch(/Asking$/)
  expect(written.at(-1)).toBe('\r\u001b[K')
})

test('the documentation lists every check', () => {
  const folder = join(__dirname, '../../src/cli')
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const namesIn = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name)
  const source = readdirSync(folder).map(read).join('\n')
  const checks = new Set([
    ...namesIn(source, /\b(?:ok|note|warning|error|unreachable)\(\s*'([a-z-]+)'/g),
    ...namesIn(source, /\bcheck = '([a-z-]+)'/g),
    ...namesIn(read('configuration.ts'), /^ {2}\w+: '([a-z-]+)',$/gm),
  ])
  const [, table = ''] = readFileSync(join(__dirname, '../../docs/doctor.md'), 'utf8').split(
    '### What it finds',
  )
  const listed = namesIn(table, /^\| (`[^|]*`) *\|/gm).flatMap((names = '') => names.match(/[a-z-]+/g) ?? [])
  expect(new Set(listed)).toEqual(new Set(checks))
})
