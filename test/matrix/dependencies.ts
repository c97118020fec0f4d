// npm run test:dependencies -- lowest|newest
//   MATRIX_MARKDOWN=file    where the tables are written
// Installs the tarball beside the lowest versions that the ranges of `dependencies` and `peerDependencies` allow, or the newest. A
// range of two majors makes two projects.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendFileSync } from 'node:fs'
import { startPostgres } from '../support/postgres'
import { programs } from '../support/programs'
import { startRedis } from '../support/redis'
import { type Check, report, runAll } from './check'
import { type Format, dependencyProgram, formats } from './dependency-program'
import { pack } from './install'
import { plain } from './pins'
import { type Ranges, pinsOf } from './ranges'
import { runProgram } from './run-program'
import { use } from './typed-program'

const root = join(__dirname, '../..')

interface Project {
  name: string
  folder: string
  pins: Readonly<Record<string, string>>
}

async function main(end: string | undefined): Promise<void> {
  if (end !== 'lowest' && end !== 'newest') throw new Error('npm run test:dependencies -- lowest|newest')
  for (const needed of ['redis-server', 'postgresql'] as const) {
    if (programs[needed] === undefined) throw new Error(`${needed} is not installed`)
  }
  const folder = await mkdtemp(join(tmpdir(), 'dependencies-'))
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  try {
    const tarball = await pack(folder)
    const ranges = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Ranges
    const projects: Project[] = []
    for (const pins of pinsOf(ranges, end)) {
      const name = `Express ${pins['express']}`
      say(`Installing ${name}`)
      projects.push(await install(join(folder, `project${projects.length}`), name, { pins, tarball }))
    }
    const versions = await Promise.all(projects.map(versionsIn))
    const stores = {
      memory: () => ({}),
      Redis: (database: number) => ({ REDIS_URL: `${redis.url}/${database}` }),
      PostgreSQL: () => ({ PAGERDUTY_TOKEN_STORE: postgres.url }),
    }
    const results = await runAll(
      projects.flatMap((project) => checksOf(project, stores)),
      say,
    )
    const text = [
      `# Dependencies at their ${end} versions\n`,
      ...projects.map(({ name }, at) => `${name}: ${versions[at]}.\n`),
      ...(end === 'newest'
        ? [`Newer, and not in the ranges: ${await beyond(projects.at(-1) as Project)}.\n`]
        : []),
      report(results),
    ].join('\n')
    process.stdout.write(`\n${text}`)
    const file = process.env['MATRIX_MARKDOWN']
    if (file !== undefined) appendFileSync(file, text)
    if (results.some(({ complaint }) => complaint !== undefined)) process.exitCode = 1
  } finally {
    await Promise.all([redis.stop(), postgres.stop()])
    await rm(folder, { recursive: true, force: true })
  }
}

async function install(
  folder: string,
  name: string,
  { pins, tarball }: { pins: Readonly<Record<string, string>>; tarball: string },
): Promise<Project> {
  await mkdir(folder)
  const dependencies = { ...pins, ...plain, 'passport-pagerduty': `file:${tarball}` }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }))
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--prefer-online']
  await runProgram('npm', ['install', ...quiet], folder)
  for (const format of Object.keys(formats) as Format[]) {
    await writeFile(join(folder, formats[format]), dependencyProgram(format))
  }
  await writeFile(join(folder, 'use.cts'), use)
  // With the declarations themselves checked.
  const strict = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    skipLibCheck: false,
  }
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: strict, files: ['use.cts'] }),
  )
  return { name, folder, pins }
}

/** What the package itself finds, which is not what the project has where npm installed another version below it. */
async function versionsIn({ folder, pins }: Project): Promise<string> {
  const own = 'passport-pagerduty/node_modules'
  const found = Object.entries(pins).map(async ([name, pin]) => {
    const files = [own, ''].map((place) => join(folder, 'node_modules', place, name, 'package.json'))
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => undefined)))
    const { version } = JSON.parse(texts.find((text) => text !== undefined) ?? '{}') as { version?: string }
    if (!pin.startsWith('^') && version !== pin) throw new Error(`${name} is ${version}, not ${pin}`)
    return `${name} ${version}`
  })
  return (await Promise.all(found)).join(', ')
}

/** What a range leaves out: `npm outdated` exits with 1 where there is something, and prints it. */
async function beyond({ folder, pins }: Project): Promise<string> {
  const said = await runProgram('sh', ['-c', 'npm outdated --json || true'], folder)
  const outdated = JSON.parse(said || '{}') as Record<string, { wanted: string; latest: string }>
  const newer = Object.entries(outdated).filter(
    ([name, { wanted, latest }]) => name in pins && wanted !== latest,
  )
  return newer.map(([name, { latest }]) => `${name} ${latest}`).join(', ') || 'nothing'
}

function checksOf(
  { name, folder }: Project,
  stores: Record<string, (database: number) => Record<string, string>>,
): Check[] {
  const table = 'Login, API call, refresh, webhook and logout'
  const runs = (Object.keys(formats) as Format[]).flatMap((format) =>
    Object.entries(stores).map(([store, env]): Check => ({
      table,
      row: `${format}, ${store}`,
      column: name,
      async run() {
        const said = await runProgram(process.execPath, [formats[format]], folder, env(databases++))
        if (said !== `logged in and out on ${process.version}\n`) throw new Error(said)
      },
    })),
  )
  const types: Check = {
    table,
    row: 'types of an app',
    column: name,
    run: async () =>
      void (await runProgram(
        process.execPath,
        [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'],
        folder,
      )),
  }
  return [...runs, types]
}

let databases = 0

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

main(process.argv[2]).catch((error: unknown) => {
  say(String(error))
  process.exitCode = 1
})
