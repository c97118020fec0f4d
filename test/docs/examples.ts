import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A block of code in the documentation. */
export interface Example {
  page: string
  /** The nearest heading above it. */
  heading: string
  language: string
  /** Among those of its language below the heading. */
  position: number
  code: string
}

/** How a reader would refer to it. */
export function nameOf({ page, heading, language, position }: Example): string {
  return [page, heading, position === 0 ? language : `${language} ${position + 1}`].join(', ')
}

export const root = join(__dirname, '../..')

/** The pages that users read. */
export const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md') && !name.endsWith('.api.md'))
    .map((name) => `docs/${name}`),
]

/** The code of a page, from the top down. */
export function examplesOf(page: string): Example[] {
  const found: Example[] = []
  let heading = ''
  const text = readFileSync(join(root, page), 'utf8')
  for (const [, title, language, code] of text.matchAll(/^#+ (.+)$|^ *```(.*)\n([^]*?)^ *```$/gm)) {
    if (title !== undefined) heading = title
    if (language === undefined || code === undefined) continue
    const before = found.filter((one) => one.heading === heading && one.language === language)
    found.push({ page, heading, language, position: before.length, code })
  }
  return found
}

/** The example of a name. */
export function example(name: string): Example {
  const [page = ''] = name.split(', ')
  const one = examplesOf(page).find((each) => nameOf(each) === name)
  if (one === undefined) throw new Error(`There is no example ${name}`)
  return one
}

/** What examples of the documentation take for granted: the reader's own functions. */
const readersOwn = `
interface Job { grantID: string | undefined }
const jobs: Job[] = []
const enqueue = async (job: Job) => void jobs.push(job)
const requireAdministrator: express.RequestHandler = (_req, _res, next) => next()
const requireUser: express.RequestHandler = (req, _res, next) => next(req.user ? undefined : new Error('Nobody is logged in'))
const findOrCreate = async (key: { account: string; pagerdutyID: string }) => ({ id: JSON.stringify(key), isBlocked: false })
const credentialsOf = (_account: string) => ({ clientID: process.env.PAGERDUTY_CLIENT_ID!, clientSecret: process.env.PAGERDUTY_CLIENT_SECRET! })
const work: Promise<unknown>[] = []
const context = { waitUntil: (one: Promise<unknown>) => void work.push(one) }
declare const follow: (grant: import('passport-pagerduty').UserGrant, send: (event: string) => void, end: (why: 'logout' | 'restart') => void) => () => void
declare const agent: { get(path: string): { expect(status: number): Promise<unknown> } }
export { context, credentialsOf, enqueue, findOrCreate, jobs, requireAdministrator, requireUser, work }
`

/** What shows who is logged in. */
const showing = `
app.get('/me', (req, res) => void res.json({ id: (req.user as { id?: string } | undefined)?.id, name: (req.user as { name?: string } | undefined)?.name }))
`
const listening = 'app.listen(3000)'

/** An example as a program. What it leaves out stands in front of it, and `end` behind. */
export function programOf({ code }: Pick<Example, 'code'>, end?: string): string {
  const isListening = code.includes('.listen(')
  if (isListening && code.includes("from 'express'")) return code
  const imports = [
    code.includes("import express from 'express'") ? '' : "import express from 'express'",
    /import \{.*\bpagerduty\b.*\} from 'passport-pagerduty'/.test(code)
      ? ''
      : "import { pagerduty } from 'passport-pagerduty'",
  ]
  const declared = /const (\w+) = pagerduty\(/.exec(code)?.[1]
  const made = "const pd = pagerduty({ scope: ['incidents.read', 'services.read', 'users.read'] })\n"
  const isMounted = ['.auth()', '.sessionTokens()'].some((call) => code.includes(call))
  const mounted = isMounted ? '' : `app.use(${declared ?? 'pd'}.auth())\n`
  const isTests = /from '(node:test|@jest\/globals)'/.test(code)
  return [
    ...imports,
    readersOwn,
    /^const app = /m.test(code) ? '' : 'const app = express()',
    code.includes('const server =') ? '' : "declare const server: import('node:http').Server",
    /\bfunction handle\(|\bconst handle\b/.test(code + (end ?? ''))
      ? ''
      : 'const handle = async (_event: object) => {}',
    code.includes('function POST') ? '' : 'declare const POST: (request: Request) => Promise<Response>',
    isTests ? code : declared === undefined ? made + mounted + code : code + mounted,
    end ?? (isListening ? showing : showing + listening),
  ].join('\n')
}
