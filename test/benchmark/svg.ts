import type { Spread } from './figures'

export interface Bar extends Spread {
  label: string
}

export interface Line {
  label: string
  /** Horizontal and vertical. */
  points: readonly (readonly [number, number])[]
}

const colours = ['#0a7d33', '#b3541e', '#2f5fb3', '#8a3ba8', '#6b6b6b', '#1b8a8f']
const brighter = ['#4cc97a', '#e59a5f', '#7fa8f0', '#cf8fe6', '#b0b0b0', '#5fd0d6']

/** Lying bars with their spread; those of this package stand out. */
export function bars(title: string, list: readonly Bar[]): string {
  const [left, width, row] = [330, 720, 30]
  const most = Math.max(...list.map(({ high }) => high))
  const x = (value: number) => left + (value / most) * (width - left - 70)
  const parts = list.map(({ label, median, low, high }, place) => {
    const y = 44 + place * row
    const kind = label.startsWith('passport-pagerduty') ? 'ours' : 'theirs'
    return [
      text(left - 8, y + 14, label, 'end'),
      `<rect class="${kind}" x="${left}" y="${y}" width="${round(x(median) - left)}" height="20" rx="2"/>`,
      `<path class="spread" d="M${round(x(low))} ${y + 10}H${round(x(high))}"/>`,
      text(round(x(Math.max(median, high))) + 6, y + 14, show(median)),
    ].join('')
  })
  return svg(title, width, 56 + list.length * row, parts)
}

/** Lines over an axis that grows by powers of ten. */
export function lines(title: string, list: readonly Line[], axis: { x: string; y: string }): string {
  const [left, right, top, bottom, width, height] = [70, 20, 40, 50, 720, 380]
  const all = list.flatMap(({ points }) => points)
  const [least, most] = [Math.min(...all.map(([at]) => at)), Math.max(...all.map(([at]) => at))]
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most) - 1e-9)]
  const highest = Math.max(...all.map(([, value]) => value))
  const x = (at: number) => left + ((Math.log10(at) - from) / (to - from || 1)) * (width - left - right)
  const y = (value: number) => height - bottom - (value / highest) * (height - bottom - top)
  const marks = Array.from({ length: to - from + 1 }, (_, power) => 10 ** (from + power))
  const parts = [
    ...marks.map((at) => {
      const place = round(x(at))
      return `<path class="grid" d="M${place} ${top}V${height - bottom}"/>${text(place, height - 32, show(at), 'middle')}`
    }),
    ...[0, 0.5, 1].map((share) => {
      const place = round(y(share * highest))
      return `<path class="grid" d="M${left} ${place}H${width - right}"/>${text(left - 8, place + 4, show(share * highest), 'end')}`
    }),
    text((left + width) / 2, height - 10, axis.x, 'middle'),
    text(8, 32, axis.y),
    ...list.flatMap(({ label, points }, number) => {
      const path = points.map(([at, value]) => `${round(x(at))} ${round(y(value))}`).join('L')
      return [
        `<path class="line c${number % colours.length}" d="M${path}"/>`,
        `<g class="c${number % colours.length}"><text class="key" x="${left + 12}" y="${top + 18 + number * 18}">${escape(label)}</text></g>`,
      ]
    }),
  ]
  return svg(title, width, height, parts)
}

function svg(title: string, width: number, height: number, parts: readonly string[]): string {
  const colour = (list: readonly string[]) =>
    list.map((value, number) => `.line.c${number}{stroke:${value}}.c${number} .key{fill:${value}}`).join('')
  const style = [
    'text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.theirs{fill:#9aa4ae}.ours{fill:#0a7d33}',
    '.spread{stroke:#1f2328;stroke-width:2}.grid{stroke:#d0d7de}.line{fill:none;stroke-width:2}',
    colour(colours),
    '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.theirs{fill:#5b6570}.ours{fill:#2ea043}',
    `.spread{stroke:#e6edf3}.grid{stroke:#30363d}${colour(brighter)}}`,
  ].join('')
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`
  return `${head}<title>${escape(title)}</title><style>${style}</style>\n<text class="title" x="8" y="16">${escape(title)}</text>\n${parts.join('\n')}\n</svg>\n`
}

function text(x: number, y: number, content: string, anchor = 'start'): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escape(content)}</text>`
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function show(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return value >= 1 ? value.toFixed(1) : String(Number(value.toPrecision(2)))
}
