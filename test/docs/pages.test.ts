import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { folders } from '../attacks/support/paths'
import { examplesOf, nameOf, pages, programOf, root } from './examples'

const typed = pages.flatMap(examplesOf).filter(({ language }) => language === 'ts')

jest.setTimeout(60_000)

/** Those that are run somewhere else, or cannot be, and why. */
const elsewhere = {
  'README.md, Try it, sh': 'the commands of the checkout itself',
  'README.md, Try it, sh 2': 'the doctor runs as docs/doctor.md has it, and the stand-in in test/newcomer',
  'README.md, Use it, sh': 'test/newcomer does what it says',
  'README.md, Use it, sh 2': 'test/newcomer does what it says',
  'README.md, Use it, sh 3': 'test/newcomer does what it says',
  'docs/architecture.md, Architecture, mermaid': 'a picture',
  'docs/doctor.md, `npx passport-pagerduty doctor`, text': 'a sample of what is printed, shortened',
}

test('every example is run, but for those that cannot be', () => {
  const tests = readdirSync(__dirname).filter(
    (name) => name.endsWith('.test.ts') && !__filename.endsWith(name),
  )
  const source = tests.map((name) => readFileSync(join(__dirname, name), 'utf8')).join('\n')
  const names = pages.flatMap(examplesOf).map(nameOf)
  expect(names.filter((name) => !source.includes(`'${name}'`))).toEqual(Object.keys(elsewhere))
})

test.each([4, 5] as const)(
  'every example in TypeScript compiles under the types of Express %i',
  (version) => {
    const folder = join(folders[version], 'typed')
    mkdirSync(folder, { recursive: true })
    if (version === 4) installTypes(folders[4])
    const files = typed.map((one, position) => {
      const name = `${position}-${one.page.replace(/\W+/g, '-')}.mts`
      writeFileSync(join(folder, name), `// ${one.page}: ${one.heading}\n${programOf(one)}`)
      return name
    })
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      experimentalDecorators: true,
      types: ['node'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    expect(complaintsOf(join(folder, 'tsconfig.json'))).toBe('')
  },
)

/** What a user has who installed the types of Express 4: those of Passport go with them. */
function installTypes(folder: string): void {
  const types = join(folder, 'node_modules/@types')
  if (existsSync(types)) return
  mkdirSync(types, { recursive: true })
  symlinkSync(join(root, 'node_modules/@types/express4'), join(types, 'express'))
  for (const name of ['passport', 'express-session']) {
    cpSync(join(root, 'node_modules/@types', name), join(types, name), { recursive: true })
  }
}

/** What the compiler prints. */
function complaintsOf(project: string): string {
  try {
    return execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', project], { encoding: 'utf8' })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

test('every link between pages leads somewhere', () => {
  const broken = [...pages, 'SECURITY.md', 'CONTRIBUTING.md'].flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8')
    const targets = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target]) => target as string)
    return targets.filter((target) => !leadsSomewhere(page, target)).map((target) => `${page}: ${target}`)
  })
  expect(broken).toEqual([])
})

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? join(root, page) : join(root, dirname(page), path)
  if (!existsSync(file)) return false
  if (anchor === undefined) return true
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    slugOf(title as string),
  )
  return headings.includes(anchor)
}

/** As GitHub makes them. */
function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}
