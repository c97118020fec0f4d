import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { table } from '../scale/table'
import { type Bench, type Finding, type Goal, isMet, wantedOf } from './bench'

const docs = join(__dirname, '../../docs')

/** What figures of another day or machine would have to be compared with. */
export function conditions({ isQuick, versions }: Bench, took: number): string {
  const [cpu] = cpus()
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version ?? 'NOT INSTALLED'}`)
  return (
    `Node ${process.version}, ${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'} (${arch()}), load average ` +
    `${loadavg()[0]?.toFixed(1)}, ${new Date().toISOString().slice(0, 10)}, ${(took / 1000).toFixed(0)} s` +
    `${isQuick ? ', quick run' : ''}.${peers.length === 0 ? '' : `\nMeasured against ${peers.join(', ')}.`}`
  )
}

export function inTerminal({ title, how, rows, everyRow = rows, notes, goals }: Finding): string {
  const lines = goals.map((goal) => `${isMet(goal) ? '✓' : '✗'} ${goalOf(goal)}`)
  return [`── ${title}`, how, '', table(everyRow, false), ...notes.map((note) => `  ${note}`), ...lines].join(
    '\n',
  )
}

/** Replaces what stands between the markers of each section that was run. */
export function writeDocs(findings: Record<string, Finding>, setting: string): void {
  const file = join(docs, 'benchmark.md')
  mkdirSync(join(docs, 'benchmark'), { recursive: true })
  let page = readFileSync(file, 'utf8')
  for (const [name, finding] of Object.entries(findings)) {
    page = between(page, name, `${inMarkdown(finding)}\n\n${setting.replaceAll('\n', ' ')}`)
    for (const [plot, drawing] of Object.entries(finding.plots)) {
      writeFileSync(join(docs, 'benchmark', `${plot}.svg`), drawing)
    }
  }
  const all = Object.values(findings)
    .filter(({ hasOwnGoals }) => hasOwnGoals !== true)
    .flatMap(({ goals }) => goals)
  if (all.length > 0) page = withGoals(page, all)
  writeFileSync(file, page)
}

/** The page with these goals in the place of those of the same name; those of sections that were not run stay. */
export function withGoals(page: string, goals: readonly Goal[]): string {
  const [, before = ''] = page.split(/<!-- \/?goals -->/)
  const rows = [...before.matchAll(/^\| +(?!goal |-)(.+?) +\|$/gm)].map(([, row = '']) => row.split(/ +\| +/))
  const known = new Map(rows.map(([name = '', ...more]) => [name, more]))
  for (const [name = '', ...more] of goals.map(rowOf)) known.set(name, more)
  const all = [...known].map(([name, more]) => [name, ...more])
  return between(page, 'goals', table([goalColumns, ...all], true))
}

/** The page with new content between `<!-- name -->` and `<!-- /name -->`. */
export function between(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`the page has no markers ${begin} … ${end}`)
  return `${page.slice(0, from + begin.length)}\n\n${content}\n\n${page.slice(to)}`
}

function inMarkdown({ how, rows, notes, goals, hasOwnGoals = false, plots }: Finding): string {
  const drawings = Object.entries(plots).map(([name, drawing]) => {
    const [, title = name] = /<title>([^<]*)/.exec(drawing) ?? []
    return `![${title}](benchmark/${name}.svg)`
  })
  const list = notes.map((note) => `- ${note}`).join('\n')
  const own = hasOwnGoals ? goalTable(goals) : ''
  return [how, table(rows, true), list, own, ...drawings].filter((part) => part !== '').join('\n\n')
}

const goalColumns = ['goal', 'measured', 'wanted', '', '']

function goalTable(goals: readonly Goal[]): string {
  return table([goalColumns, ...goals.map(rowOf)], true)
}

function rowOf(goal: Goal): string[] {
  return [
    goal.what,
    valueOf(goal),
    wantedOf(goal),
    isMet(goal) ? 'met' : '**NOT MET**',
    goal.isCount ? 'counted' : 'ratio in one run',
  ]
}

function goalOf(goal: Goal): string {
  return `${goal.what}: ${valueOf(goal)}, wanted ${wantedOf(goal)}`
}

function valueOf({ shown, value }: Goal): string {
  return shown ?? String(Number(value.toFixed(2)))
}
