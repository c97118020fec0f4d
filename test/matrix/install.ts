import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publishedFolder } from '../support/published'
import { type Express, expresses, full, plain, tools } from './pins'
import { runProgram } from './run-program'

const root = join(__dirname, '../..')

/** Where everything is installed: MATRIX_CACHE, or a folder for temporary files. Installs of before are taken again. */
const cache = process.env['MATRIX_CACHE'] ?? join(tmpdir(), 'passport-pagerduty-matrix')

/** What lies where. */
export interface Installed {
  tarball: string
  /** Compilers, Nodes and checkers. */
  tools: string
  /** Users' projects with the packed package. */
  projects: Record<Express, { plain: string; full: string }>
}

export async function install(say: (line: string) => void): Promise<Installed> {
  await mkdir(cache, { recursive: true })
  const tarball = await pack(cache)
  say(`Installing in ${cache}: Nodes, Bun and Deno alone are 500 MB, once`)
  const folder = await installed('tools', tools)
  const projects = { '4': { plain: '', full: '' }, '5': { plain: '', full: '' } }
  for (const version of ['4', '5'] as const) {
    say(`Installing the package beside Express ${expresses[version].express}`)
    projects[version] = {
      plain: await project(`express${version}`, { ...expresses[version], ...plain }, tarball),
      full: await project(`express${version}-full`, { ...expresses[version], ...full }, tarball),
    }
  }
  return { tarball, tools: folder, projects }
}

/** The tarball of what is built, as it is published. */
export async function pack(folder: string): Promise<string> {
  const published = publishedFolder()
  const args = ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', folder]
  const [{ filename }] = Object.values(JSON.parse(await runProgram('npm', args, published)) as object) as [
    { filename: string },
  ]
  await rm(published, { recursive: true })
  return join(folder, filename)
}

/** A folder with these packages, installed unless they are there. */
async function installed(name: string, dependencies: Record<string, string>): Promise<string> {
  const folder = join(cache, name)
  const stamp = join(folder, 'installed.json')
  const wanted = JSON.stringify(dependencies)
  if ((await readFile(stamp, 'utf8').catch(() => '')) === wanted) return folder
  await rm(folder, { recursive: true, force: true })
  await npmInstall(folder, dependencies)
  await writeFile(stamp, wanted)
  return folder
}

/** A user's project. The tarball is new each time, so it is unpacked again; its dependencies are already there. */
async function project(name: string, pins: Record<string, string>, tarball: string): Promise<string> {
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const folder = await installed(name, { ...dependencies, ...pins })
  const target = join(folder, 'node_modules/passport-pagerduty')
  await rm(target, { recursive: true, force: true })
  await mkdir(target)
  await runProgram('tar', ['-xzf', tarball, '--strip-components=1', '-C', target], folder)
  return folder
}

/** How many packages npm adds to an empty folder for the package and Express, as it says itself. */
export async function countPackages({ tarball }: Installed, version: Express): Promise<number> {
  const { express } = expresses[version]
  const folder = join(cache, `count-${version}`)
  await rm(folder, { recursive: true, force: true })
  const said = await npmInstall(folder, { express, 'passport-pagerduty': `file:${tarball}` })
  return Number(/^added (\d+) packages/m.exec(said)?.[1])
}

async function npmInstall(folder: string, dependencies: Record<string, string>): Promise<string> {
  await mkdir(folder, { recursive: true })
  // As in the checkout: later versions require a platform package that is not there.
  const overrides = { 'unrs-resolver': '1.12.2' }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }))
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--prefer-offline']
  return runProgram('npm', ['install', ...quiet], folder)
}
