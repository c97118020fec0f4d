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
    `${isQuick ? ', quick run' : ''}.\nMeasured against ${peers.join(', ')}.`
  )
}

export function inTerminal({ title, how, rows, notes, goals }: Finding): string {
  const lines = goals.map((goal) => `${isMet(goal) ? '✓' : '✗'} ${goalOf(goal)}`)
  return [`── ${title}`, how, '', table(rows, false), ...notes.map((note) => `  ${note}`), ...lines].join(
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
  const all = Object.values(findings).flatMap(({ goals }) => goals)
  if (Object.keys(findings).length > 1) page = between(page, 'goals', goalTable(all))
  writeFileSync(file, page)
}

/** The page with new content between `<!-- name -->` and `<!-- /name -->`. */
export function between(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`the page has no markers ${begin} … ${end}`)
  return `${page.slice(0, from + begin.length)}\n\n${content}\n\n${page.slice(to)}`
}

function inMarkdown({ how, rows, notes, plots }: Finding): string {
  const drawings = Object.entries(plots).map(([name, drawing]) => {
    const [, title = name] = /<title>([^<]*)/.exec(drawing) ?? []
    return `![${title}](benchmark/${name}.svg)`
  })
  const list = notes.map((note) => `- ${note}`).join('\n')
  return [how, table(rows, true), list, ...drawings].filter((part) => part !== '').join('\n\n')
}

function goalTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => [
    goal.what,
    valueOf(goal),
    wantedOf(goal),
    isMet(goal) ? 'met' : '**NOT MET**',
    goal.isCount ? 'counted' : 'ratio in one run',
  ])
  return table([['goal', 'measured', 'wanted', '', ''], ...rows], true)
}

function goalOf(goal: Goal): string {
  return `${goal.what}: ${valueOf(goal)}, wanted ${wantedOf(goal)}`
}

function valueOf({ shown, value }: Goal): string {
  return shown ?? String(Number(value.toFixed(2)))
}
