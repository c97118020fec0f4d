import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const catalogue = join(root, 'src/scopes/catalogue')
const folder = mkdtempSync(join(tmpdir(), 'api-schema-'))
/** Another copy of the generator, with tables of its own. */
const copy = mkdtempSync(join(tmpdir(), 'catalogue-'))
afterAll(() => [folder, copy].forEach((one) => rmSync(one, { recursive: true })))

const byReference = { $ref: '#/paths/~1incidents~1%7Bid%7D/parameters/0' }
const header = (name: string) => ({ name, in: 'header' })
const inQuery = (name: string) => ({ name, in: 'query' })
const documents = {
  REST: {
    servers: [{ url: 'https://api.pagerduty.com' }],
    paths: {
      '/incidents/{id}': {
        description: 'not an operation',
        parameters: [header('From')],
        put: { 'x-pd-requires-scope': 'incidents.write' },
      },
      '/audit/records': { get: { parameters: [inQuery('cursor')] } },
      '/oncalls': { get: { parameters: [header('offset')] }, post: { parameters: [inQuery('offset')] } },
      '/incidents': {
        get: { 'x-pd-requires-scope': 'incidents.read', parameters: [header('Accept'), inQuery('offset')] },
        post: { 'x-pd-requires-scope': 'incidents.write', parameters: [byReference] },
      },
    },
  },
  'integration-jira-cloud': { servers: [{ url: 'https://api.pagerduty.com' }], paths: {} },
  'integration-ms-teams-service': {
    servers: [{ url: 'https://api.pagerduty.com/integration-ms-teams' }],
    paths: { '/meeting': { post: {} } },
  },
  'integration-slack-service': {
    servers: [{ url: 'https://api.pagerduty.com/integration-slack' }],
    paths: {
      '/connections': {
        post: {
          servers: [{ url: 'https://app.pagerduty.com/elsewhere/' }],
          'x-pd-requires-scope': 'users.read services.read',
        },
      },
    },
  },
  scim: { servers: [{ url: 'https://api.pagerduty.com/scim/v2' }], paths: { '/Users/{id}': { patch: {} } } },
}

beforeAll(() => {
  for (const [name, document] of Object.entries(documents)) {
    mkdirSync(join(folder, 'reference', name), { recursive: true })
    writeFileSync(join(folder, 'reference', name, 'openapiv3.json'), JSON.stringify(document))
  }
  execFileSync('git', ['-C', folder, 'init', '--quiet'])
  publish()
})

/** Commits what is in the folder, be it nothing new. */
function publish(): void {
  const author = ['-c', 'user.name=Ada', '-c', 'user.email=ada@acme.example', '-c', 'commit.gpgSign=false']
  const commit = ['commit', '--quiet', '--allow-empty', '--date=2026-08-14T00:00:00Z', '--message=published']
  execFileSync('git', ['-C', folder, 'add', '.'])
  execFileSync('git', ['-C', folder, ...author, ...commit])
}

test('the table is made of the published files: base paths, several scopes, the header From wherever it is declared, how lists go on', () => {
  const program = `
    const { readPublished } = await import(process.argv[1])
    process.stdout.write(readPublished(process.argv[2]))`
  const args = ['--input-type=module', '-e', program, `${catalogue}/published.mjs`, folder]
  const [first, ...lines] = execFileSync(process.execPath, args, { encoding: 'utf8' }).trim().split('\n')
  expect(first).toMatch(/^# Made of PagerDuty\/api-schema, commit [0-9a-f]{40} of \d{4}-\d\d-\d\d,/)
  expect(lines.filter((line) => !line.startsWith('#'))).toEqual([
    '/audit/records  GET - cursor',
    '/elsewhere/connections  POST services.read,users.read',
    '/incidents  GET incidents.read offset  POST incidents.write From',
    '/incidents/{id}  PUT incidents.write From',
    '/integration-ms-teams/meeting  POST -',
    '/oncalls  GET -  POST -',
    '/scim/v2/Users/{id}  PATCH -',
  ])
})

test('a table that published files differ from is reported, and left as it is', () => {
  const args = [join(catalogue, 'generate.mjs'), '--check', '--from', folder]
  expect(() => execFileSync(process.execPath, args, { stdio: 'pipe' })).toThrow(
    /operations\.txt is not what .* makes: npm run catalogue -- --from \//,
  )
})

test('another commit that publishes the same operations is no difference, and one of another scope is', () => {
  cpSync(catalogue, join(copy, 'src/scopes/catalogue'), { recursive: true })
  cpSync(join(root, '.oxfmtrc.json'), join(copy, '.oxfmtrc.json'))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const generate = (...args: string[]) =>
    execFileSync(
      process.execPath,
      [join(copy, 'src/scopes/catalogue/generate.mjs'), '--from', folder, ...args],
      { encoding: 'utf8', stdio: 'pipe' },
    )
  generate()
  publish()
  expect(generate('--check')).toBe('')
  const changed = {
    ...documents.scim,
    paths: { '/Users/{id}': { patch: { 'x-pd-requires-scope': 'users.write' } } },
  }
  writeFileSync(join(folder, 'reference/scim/openapiv3.json'), JSON.stringify(changed))
  publish()
  expect(() => generate('--check')).toThrow('operations.txt is not what')
})
