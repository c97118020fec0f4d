import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folders } from '../attacks/support/paths'
import { examplesOf, nameOf, pages, programOf, root } from './examples'

const typed = pages.flatMap(examplesOf).filter(({ language }) => language === 'ts')

/** Those that are run somewhere else, or cannot be, and why. */
const elsewhere = {
  'README.md, Install, sh': 'test/newcomer does what it says',
  'README.md, Quick start, sh': 'test/newcomer does what it says',
  'README.md, Quick start, sh 2': 'test/newcomer does what it says',
  'README.md, How it works, mermaid': 'a picture',
  'README.md, How it works, mermaid 2': 'a picture',
  'README.md, TypeScript, ts': 'declarations, which are compiled below',
  'docs/architecture.md, Architecture, mermaid': 'a picture',
  'docs/doctor.md, `npx passport-pagerduty doctor`, text': 'a sample of what is printed, shortened',
  'docs/proof.md, What is proved, and of what, sh': 'takes minutes, and programs of its own',
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

/** What a user has who installed the types of Express 4: those that go with them. */
function installTypes(folder: string): void {
  const installed = join(folder, 'node_modules')
  if (existsSync(join(installed, 'connect-redis'))) return
  mkdirSync(join(installed, '@types'), { recursive: true })
  if (!existsSync(join(installed, '@types/express')))
    symlinkSync(join(root, 'node_modules/@types/express4'), join(installed, '@types/express'))
  for (const name of ['@types/passport', '@types/express-session', 'connect-redis']) {
    cpSync(join(root, 'node_modules', name), join(installed, name), { recursive: true })
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
