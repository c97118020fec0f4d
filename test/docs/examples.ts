import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A block of code in the documentation. */
export interface Example {
  page: string
  /** The nearest heading above it. */
  heading: string
  language: string
  code: string
}

const root = join(__dirname, '../..')

/** The code of a page, from the top down. */
export function examplesOf(page: string): Example[] {
  const found: Example[] = []
  let heading = ''
  const text = readFileSync(join(root, page), 'utf8')
  for (const [, title, language, code] of text.matchAll(/^#+ (.+)$|^ *```(\w+)\n([^]*?)^ *```$/gm)) {
    if (title !== undefined) heading = title
    else if (language !== undefined && code !== undefined) found.push({ page, heading, language, code })
  }
  return found
}

/** What examples of the documentation take for granted: the reader's own functions. */
const readersOwn = `
interface Job { grantID: string | undefined }
const jobs: Job[] = []
const enqueue = async (job: Job) => void jobs.push(job)
const requireAdministrator: express.RequestHandler = (_req, _res, next) => next()
const findOrCreate = async (key: { account: string; pagerdutyID: string }) => ({ id: JSON.stringify(key), isBlocked: false })
const credentialsOf = (_account: string) => ({ clientID: process.env.PAGERDUTY_CLIENT_ID!, clientSecret: process.env.PAGERDUTY_CLIENT_SECRET! })
const context = { waitUntil: (_work: Promise<unknown>) => {} }
export { context, credentialsOf, enqueue, findOrCreate, jobs, requireAdministrator }
`

/** An example as a program. What it leaves out stands in front of it, and in its end it listens. */
export function programOf({ code }: Example): string {
  if (code.includes('.listen(')) return code
  const imports = [
    code.includes("import express from 'express'") ? '' : "import express from 'express'",
    /import \{.*\bpagerduty\b.*\} from 'passport-pagerduty'/.test(code)
      ? ''
      : "import { pagerduty } from 'passport-pagerduty'",
  ]
  const declared = /const (\w+) = pagerduty\(/.exec(code)?.[1]
  const before = `const app = express()\n`
  const made = "const pd = pagerduty({ scope: ['incidents.read', 'services.read', 'users.read'] })\n"
  const mounted = code.includes('.auth()') ? '' : `app.use(${declared ?? 'pd'}.auth())\n`
  return [
    ...imports,
    readersOwn,
    before,
    declared === undefined ? made + mounted + code : code + mounted,
    "app.get('/me', (req, res) => void res.json({ id: (req.user as { id?: string } | undefined)?.id, name: (req.user as { name?: string } | undefined)?.name }))",
    'app.listen(3000)',
  ].join('\n')
}
