import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { root } from './examples'

interface Line {
  number: number
  text: string
}

interface Link {
  /** Where it is, as `page:line`. */
  place: string
  target: string
  /** Where it leads, from the root of the repository, and to what there. */
  path: string
  anchor: string | undefined
}

const notOurs = new Set(['node_modules', 'dist', 'coverage', '.git'])

/** All files below a folder, from the root of the repository. */
function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : filesIn(path)
    return [path]
  })
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** A page without its code, which neither links nor is linked to. */
function proseOf(page: string): Line[] {
  let isCode = false
  return read(page)
    .split('\n')
    .map((text, at) => {
      const isFence = /^ *```/.test(text)
      if (isFence) isCode = !isCode
      return { number: at + 1, text: isCode || isFence ? '' : text }
    })
}

const files = filesIn('.')
const pages = files.filter((file) => file.endsWith('.md'))
const sources = files.filter((file) => /^(src|example-app|\.github)\/.*\.(ts|mjs|yml)$/.test(file))

/** Links of a page: `[…](…)`, pictures, and `[…]: …`; not those into the web. */
function linksOf(page: string): Link[] {
  return proseOf(page).flatMap(({ number, text }) => {
    const plain = text.replaceAll(/(?<!\[)`[^`]*`(?!\])/g, '')
    const found = plain.matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]: (\S+)/g)
    return [...found]
      .map(([, inline, below]) => inline ?? (below as string))
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => linkOf(`${page}:${number}`, target, dirname(page)))
  })
}

/** What messages, hints and comments of the code call a page: its path from the root, or its address in the repository. */
function mentionsOf(file: string): Link[] {
  return read(file)
    .split('\n')
    .flatMap((text, at) => {
      const found = text.matchAll(
        /(?:\b(?:blob|tree)\/\w+\/|(?<![\w/.-]))((?:docs\/[\w/-]+|README|CONTRIBUTING)\.md(?:#[\w-]+)?)/g,
      )
      return [...found].map(([, target]) => linkOf(`${file}:${at + 1}`, target as string, '.'))
    })
}

function linkOf(place: string, target: string, from: string): Link {
  const [path = '', anchor] = target.split('#')
  return {
    place,
    target,
    path: path === '' ? (place.split(':')[0] as string) : normalize(join(from, path)),
    anchor,
  }
}

/** The anchors of a page: its headings, as GitHub makes them, and `<a id="…">`. */
function anchorsOf(page: string): string[] {
  return proseOf(page).flatMap(({ text }) => {
    const heading = /^#+ (.+)$/.exec(text)?.[1]
    const explicit = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id as string)
    return heading === undefined ? explicit : [...explicit, slugOf(heading)]
  })
}

function slugOf(title: string): string {
  return title
    .replaceAll(/\]\([^)]*\)|<[^>]*>/g, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')
}

const anchors = new Map(pages.map((page) => [page, anchorsOf(page)]))

function isBroken({ path, anchor }: Link): boolean {
  if (!existsSync(join(root, path))) return true
  if (anchor === undefined || !path.endsWith('.md')) return anchor !== undefined
  return !(anchors.get(path) ?? []).includes(anchor)
}

function broken(links: readonly Link[]): string[] {
  return links.filter(isBroken).map(({ place, target }) => `${place} leads nowhere: ${target}`)
}

test('every link between pages leads somewhere', () => {
  const links = pages.flatMap(linksOf)
  expect(links.length).toBeGreaterThan(200)
  expect(broken(links)).toEqual([])
})

test('every page that the code names is there', () => {
  expect(broken(sources.flatMap(mentionsOf))).toEqual([])
})

/** What a page names in code by its path; docs/architecture.md leaves out `src/` and the ending. */
function filesNamedIn(page: string): string[] {
  const text = proseOf(page)
    .map((line) => line.text)
    .join('\n')
  const paths = [...text.matchAll(/`((?:src|test|example-app)\/[\w./-]+)`/g)].map(
    ([, path]) => path as string,
  )
  if (page !== 'docs/architecture.md') return paths
  const modules = [...text.matchAll(/`([a-z-]+\/[a-z-]+)`/g)].map(([, path]) => path as string)
  const inSource = modules.filter((path) => existsSync(join(root, 'src', dirname(path))))
  return [...paths, ...inSource.map((path) => `src/${path}.ts`)]
}

test('every file that a page names is there', () => {
  const named = pages.flatMap((page) => filesNamedIn(page).map((path) => ({ page, path })))
  expect(named.filter(({ page }) => page === 'docs/architecture.md').length).toBeGreaterThan(30)
  const ours = named.filter(({ path }) => !path.includes('node_modules'))
  expect(ours.filter(({ path }) => !existsSync(join(root, path)))).toEqual([])
})

test('no page has two entries that one link may mean', () => {
  // Their headings are those of each release.
  const others = pages.filter((page) => page !== 'CHANGELOG.md')
  const twice = others.flatMap((page) => {
    const all = anchors.get(page) as string[]
    return all.filter((anchor, at) => all.indexOf(anchor) !== at).map((anchor) => `${page}#${anchor}`)
  })
  expect(twice).toEqual([])
})
