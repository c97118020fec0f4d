import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Check } from './check'
import type { Installed } from './install'
import { loginProgram } from './login-program'
import { type Express, expresses, tools } from './pins'
import { runProgram } from './run-program'

const versions = Object.keys(expresses) as Express[]
const programs = { CommonJS: 'login.cjs', ESM: 'login.mjs' } as const
type Format = keyof typeof programs
const formats = Object.keys(programs) as Format[]

/** The login program wherever else than with Node and npm: in other runtimes, installed by others, and bundled. */
export async function elsewhereChecks(installed: Installed, redisURL: string): Promise<Check[]> {
  for (const version of versions) {
    for (const format of formats) {
      await writeFile(join(installed.projects[version].plain, programs[format]), loginProgram(format))
    }
  }
  return [
    ...(await runtimeChecks(installed, redisURL)),
    ...packageManagerChecks(installed),
    ...bundlerChecks(installed),
  ]
}

async function logIn(command: string, args: readonly string[], cwd: string, env = {}): Promise<void> {
  const said = await runProgram(command, args, cwd, env)
  if (!/^logged in and out on v[\d.]+\n$/.test(said)) throw new Error(said)
}

const binaries = {
  Bun: { name: '@oven/bun-linux-x64-baseline', path: 'bin/bun', args: ['run'] },
  Deno: { name: '@deno/linux-x64-glibc', path: 'deno', args: ['run', '--allow-all', '--quiet'] },
} as const

async function runtimeChecks(installed: Installed, redisURL: string): Promise<Check[]> {
  // Those of the logins on Node are in use.
  let database = 16
  const checks: Check[] = []
  for (const [runtime, { name, path, args }] of Object.entries(binaries)) {
    const binary = join(installed.tools, 'node_modules', name, path)
    await chmod(binary, 0o755)
    for (const version of versions) {
      for (const [store, format] of [
        ['memory', 'CommonJS'],
        ['Redis', 'ESM'],
      ] as const) {
        const env = store === 'Redis' ? { REDIS_URL: `${redisURL}/${database++}` } : {}
        checks.push({
          table: 'Other runtimes',
          row: `${runtime} ${tools[name]}`,
          column: `Express ${expresses[version].express}, ${format}, ${store}`,
          run: () => logIn(binary, [...args, programs[format]], installed.projects[version].plain, env),
        })
      }
    }
  }
  return checks
}

/** What a package does not declare, these do not let it load. */
function packageManagerChecks(installed: Installed): Check[] {
  const program = (path: string) => join(installed.tools, 'node_modules', path)
  const pnpm = program('pnpm/bin/pnpm.mjs')
  const yarn = program('@yarnpkg/cli-dist/bin/yarn.js')
  const rows = {
    [`pnpm ${tools.pnpm}`]: async (folder: string, format: Format) => {
      const store = join(dirname(installed.tools), 'pnpm-store')
      await runProgram('node', [pnpm, 'install', '--ignore-scripts', '--store-dir', store], folder)
      await logIn('node', [programs[format]], folder)
    },
    [`Yarn ${tools['@yarnpkg/cli-dist']}, Plug'n'Play`]: async (folder: string, format: Format) => {
      const env = await yarnEnvironment(folder)
      await runProgram('node', [yarn, 'install'], folder, env)
      await logIn('node', [yarn, 'node', programs[format]], folder, env)
    },
  }
  return Object.entries(rows).flatMap(([row, run]) =>
    formats.map((format) => ({
      table: 'Other package managers',
      row,
      column: format,
      run: async () => run(await folderOfUser(installed, `${row}-${format}`, format), format),
    })),
  )
}

/** A user's folder without node_modules. */
async function folderOfUser({ tools: beside, tarball }: Installed, name: string, format: Format) {
  const folder = join(dirname(beside), name.replace(/\W+/g, '-').toLowerCase())
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  const { express } = expresses[5]
  const dependencies = { express, 'passport-pagerduty': `file:./${basename(tarball)}` }
  await copyFile(tarball, join(folder, basename(tarball)))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }))
  await writeFile(join(folder, programs[format]), loginProgram(format))
  return folder
}

/** Yarn does not read npm's configuration. */
async function yarnEnvironment(folder: string): Promise<Record<string, string>> {
  const config = JSON.parse(await runProgram('npm', ['config', 'list', '--json'], folder)) as {
    registry: string
    cafile: string | null
  }
  return {
    YARN_NODE_LINKER: 'pnp',
    YARN_PNP_ENABLE_ESM_LOADER: 'true',
    YARN_ENABLE_TELEMETRY: 'false',
    YARN_ENABLE_SCRIPTS: 'false',
    YARN_ENABLE_GLOBAL_CACHE: 'false',
    YARN_NPM_REGISTRY_SERVER: config.registry,
    ...(config.cafile && { YARN_HTTPS_CA_FILE_PATH: config.cafile }),
  }
}

/** Each writes one file, which runs where there is no node_modules. */
function bundlerChecks({ tools: beside, projects }: Installed): Check[] {
  const program = (name: string) => join(beside, 'node_modules/.bin', name)
  const requireInESM =
    "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"
  const esbuild = ['--bundle', '--platform=node', '--log-level=error']
  const rows = {
    [`esbuild ${tools.esbuild}, CommonJS`]: (out: string) => [
      program('esbuild'),
      ...[programs.ESM, ...esbuild, '--format=cjs', `--outfile=${out}/index.cjs`],
    ],
    [`esbuild ${tools.esbuild}, ESM`]: (out: string) => [
      program('esbuild'),
      ...[
        programs.ESM,
        ...esbuild,
        '--format=esm',
        `--banner:js=${requireInESM}`,
        `--outfile=${out}/index.mjs`,
      ],
    ],
    [`webpack ${tools.webpack}`]: (out: string) => [
      program('webpack'),
      ...['build', '--mode=production', '--target=node20', '--entry', `./${programs.CommonJS}`],
      ...['--output-path', out, '--output-filename', 'index.cjs'],
    ],
    [`ncc ${tools['@vercel/ncc']}`]: (out: string) => [program('ncc'), 'build', programs.CommonJS, '-o', out],
  }
  return Object.entries(rows).flatMap(([row, command]) =>
    versions.map((version) => ({
      table: 'Bundlers',
      row,
      column: `Express ${expresses[version].express}`,
      run: async () => {
        const out = join(dirname(beside), 'bundles', `${row.replace(/\W+/g, '-')}-${version}`)
        await rm(out, { recursive: true, force: true })
        await mkdir(out, { recursive: true })
        const [bundler = '', ...args] = command(out)
        await runProgram(bundler, args, projects[version].plain)
        await logIn('node', [row.endsWith('ESM') ? 'index.mjs' : 'index.cjs'], out)
      },
    })),
  )
}
