import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { examplesOf, programOf } from '../docs/examples'
import type { Check } from './check'
import type { Installed } from './install'
import { type Express, expresses, typescripts } from './pins'
import { runProgram } from './run-program'
import { session, use } from './typed-program'

type Major = keyof typeof typescripts

/** Settings of users, and the files that they are for. */
const settings = {
  node16: { files: ['use.cts', 'use.mts'], options: { module: 'node16' } },
  nodenext: { files: ['use.cts', 'use.mts'], options: { module: 'nodenext' } },
  'esnext, bundler': { files: ['use.mts'], options: { module: 'esnext', moduleResolution: 'bundler' } },
  'preserve, bundler': { files: ['use.mts'], options: { module: 'preserve', moduleResolution: 'bundler' } },
  // But for noPropertyAccessFromIndexSignature, which is about how users write `process.env.NAME`.
  'nodenext, every strict flag': {
    files: ['use.mts'],
    options: {
      module: 'nodenext',
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noImplicitOverride: true,
      noImplicitReturns: true,
      noUncheckedSideEffectImports: true,
      verbatimModuleSyntax: true,
      isolatedModules: true,
      erasableSyntaxOnly: true,
    },
  },
  'commonjs, node10': {
    files: ['use-commonjs.ts'],
    options: { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true },
  },
}
type Setting = keyof typeof settings

/** What the library's types are compiled with: strict, and with the declarations themselves checked. */
const strict = { strict: true, skipLibCheck: false, noEmit: true, target: 'es2022', types: ['node'] }

const documented = ['README.md', 'docs/testing.md', 'docs/passport.md', 'docs/linking.md']
  .flatMap(examplesOf)
  .filter(({ language }) => language === 'ts')

/** The types, in each TypeScript with each setting, for the types of both Expresses. */
export async function typeChecks(installed: Installed): Promise<Check[]> {
  const majors = Object.keys(typescripts) as Major[]
  const versions = Object.keys(expresses) as Express[]
  await Promise.all(versions.map((version) => writeFiles(installed.projects[version])))
  return majors.flatMap((major) =>
    (Object.keys(settings) as Setting[])
      // TypeScript 6 calls it deprecated, and 7 has it no longer.
      .filter((setting) => setting !== 'commonjs, node10' || major === '5')
      .flatMap((setting) =>
        versions.flatMap((version) =>
          (['plain', 'full'] as const).map((kind) => check(installed, major, setting, version, kind)),
        ),
      ),
  )
}

function check(
  { projects, tools }: Installed,
  major: Major,
  setting: Setting,
  version: Express,
  kind: 'plain' | 'full',
): Check {
  const folder = join(projects[version][kind], 'types')
  const types = `@types/express ${expresses[version]['@types/express']}`
  return {
    table: 'Types: strict, with the declarations checked (no `skipLibCheck`)',
    row: `TypeScript ${typescripts[major]}, ${setting}`,
    column: kind === 'plain' ? types : `${types}, optional peers, README`,
    async run() {
      const { files, options } = settings[setting]
      const config = join(folder, `tsconfig.${major}-${setting.replace(/\W+/g, '-')}.json`)
      const examples = kind === 'full' ? documented.map((_, position) => `example-${position}.mts`) : []
      // Modules of ECMAScript cannot be imported where all of it is CommonJS.
      const all = setting === 'commonjs, node10' ? files : [...files, ...examples]
      await writeFile(config, JSON.stringify({ compilerOptions: { ...strict, ...options }, files: all }))
      await runProgram(
        process.execPath,
        [join(tools, `node_modules/typescript-${major}/bin/tsc`), '-p', config],
        folder,
      )
    },
  }
}

async function writeFiles({ plain, full }: Record<'plain' | 'full', string>): Promise<void> {
  for (const folder of [plain, full]) {
    const types = join(folder, 'types')
    await mkdir(types, { recursive: true })
    const body = folder === full ? use + session : use
    await writeFile(join(types, 'use.mts'), importing(body))
    await writeFile(join(types, 'use-commonjs.ts'), importing(body))
    await writeFile(join(types, 'use.cts'), requiring(body))
  }
  await Promise.all(
    documented.map((one, position) =>
      writeFile(
        join(full, 'types', `example-${position}.mts`),
        `// ${one.page}: ${one.heading}\n${programOf(one)}`,
      ),
    ),
  )
}

const importing = (body: string) => body.replace(/^import (\w+) = require\((.*)\)$/gm, 'import $1 from $2')

/** As it is: `import … = require` is how CommonJS in TypeScript takes Express. */
const requiring = (body: string) => body
