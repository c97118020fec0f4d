import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from '@swc/core'
import { pages, root } from '../docs/examples'

/** Words that are ours alone, or say what a term of the field says better, and what to write instead. */
const words: Readonly<Record<string, RegExp>> = {
  simulator: /\bstand-?ins?\b/,
  '`pd.auth()`, the individual middleware': /\bdrop-ins?\b|\bthe parts\b/,
  'request, issue': /\bmint(s|ed|ing)?\b/,
  'encrypt, decrypt': /\b(un)?seal(s|ed|ing)?\b/,
  'backoff, circuit open, recently rejected': /\bpause[sd]?\b|\bleft alone\b|\bhopeless\b/,
  'in-flight request, single flight': /\b(in|under) flight\b|\bfl(y|ies)\b/,
  'emit, report, log, say': /\b(is|are|was|were|be|been) told\b|\btells?\b|\bhears? of\b/,
  'outage, transient error': /\btroubles?\b/,
  'outcome, process, check': /\bverdicts?\b|\bjudg(e|es|ed|ement)\b/,
  'response, respond': /\banswer(s|ed|ing)?\b/,
  'reject, deny': /\brefus(e|es|ed|al|als|ing)\b/,
  'is valid': /\btokens? (still )?serves?\b/,
  request: /\bask(s|ed|ing)? for\b/,
  'user, users, anyone, no one': /\bpersons?\b|\bpeople\b|\bsomebody\b|\bnobody\b|\beverybody\b|\bwhoever\b/,
  'unsuccessfully, recently, again, exactly, unchanged':
    /\bin vain\b|\bof late\b|\banew\b|\b(let|lets) go of\b|\bletter by letter\b|\bas (it|they) stands?\b/,
  'string, whitespace, newline': /(?<!plain )\btexts?\b(?![[,])|\bblanks?\b|\bline ends?\b/,
  'fix, remove, set': /\bremed(y|ies)\b|\bmend(s|ed|ing)?\b|\btak(e|es|en|ing) (\w+ )?away\b/,
  JWKS: /\bsigning keys\b|\bkey sets?\b/,
  'hand-written': /\bhand-wired\b/,
  'scaling; production checklist': /\bmany machines\b|\bbefore you go live\b/,
  'public API, architecture': /\bpublic faces?\b|\bhouses?\b/,
}
const mostWords = 35

interface Line {
  file: string
  number: number
  text: string
}

function linesOf(file: string): Line[] {
  const lines = readFileSync(join(root, file), 'utf8').split('\n')
  return lines.map((text, at) => ({ file, number: at + 1, text }))
}

/** Markdown without code, the targets of links and comments. */
function proseOf(file: string): Line[] {
  let isCode = false
  return linesOf(file).map((line) => {
    const isFence = /^ *```/.test(line.text)
    if (isFence) isCode = !isCode
    const text = isCode || isFence ? '' : line.text
    return { ...line, text: text.replaceAll(/`[^`]*`/g, '``').replaceAll(/\]\([^)]*\)|<!--.*?-->/g, ']') }
  })
}

/** Terms of code, which its comments and the names of tests may have. */
const terms = new Set([
  'encrypt, decrypt',
  'backoff, circuit open, recently rejected',
  'string, whitespace, newline',
])
const none: ReadonlySet<string> = new Set()
const comment = /(?:^\s*\/?\*+|(?:^|\s)\/\/) (.*)/

const isSQL = /^.(CREATE|DELETE|INSERT|SELECT|UPDATE|WITH) /

/** A literal as the parser has it, with its place in bytes; or a call. */
interface Literal {
  type: string
  span: { start: number; end: number }
  quasis?: Literal[]
  callee?: Literal
  object?: Literal
  value?: string
  arguments?: { expression: Literal }[]
}

/** Strings and templates of a source file that hold a sentence, each whole: a template may have many lines. */
function sentencesOf(file: string, find = literalsIn): Line[] {
  // Its last statement says where the parser begins to count.
  const code = Buffer.from(`${readFileSync(join(root, file), 'utf8')}0`)
  const parsed = parseSync(code.toString(), { syntax: 'typescript', target: 'es2022' })
  const base = (parsed.body.at(-1)?.span.end ?? 0) - code.length
  const slice = (start: number, end: number) => code.subarray(start - base, end - base).toString()
  return find(parsed).flatMap((literal) => {
    const { span, quasis = [literal] } = literal
    const whole = slice(span.start, span.end)
    if (!/[a-z”"}] [a-z]/i.test(whole) || isSQL.test(whole)) return []
    // Without expressions, which may have lines, and without tags and rules of CSS.
    const parts = quasis.map((quasi, at) => {
      const before = at === 0 ? '' : linesIn(slice(quasis[at - 1]?.span.end ?? 0, quasi.span.start))
      return before + slice(quasi.span.start, quasi.span.end)
    })
    const text = parts.join('').replaceAll(/<[^>]*>|\{[^{}]*\}/g, linesIn)
    return { file, number: slice(base, span.start).split('\n').length, text }
  })
}

function literalsIn(node: unknown): Literal[] {
  if (typeof node !== 'object' || node === null) return []
  const { type } = node as Literal
  const own = type === 'StringLiteral' || type === 'TemplateLiteral' ? [node as Literal] : []
  return [...own, ...Object.values(node).flatMap(literalsIn)]
}

/** What tests and their groups are called. */
function namesIn(node: unknown): Literal[] {
  if (typeof node !== 'object' || node === null) return []
  const { type, callee, arguments: given } = node as Literal
  const isTest = type === 'CallExpression' && /^(it$|test|describe)/.test(rootOf(callee)?.value ?? '')
  const own = isTest ? literalsIn(given?.[0]?.expression).slice(0, 1) : []
  return [...own, ...Object.values(node).flatMap(namesIn)]
}

/** `test` of `test.each([])('name')`. */
function rootOf(called?: Literal): Literal | undefined {
  const inner = called?.callee ?? called?.object
  return inner === undefined ? called : rootOf(inner)
}

function commentsOf(file: string): Line[] {
  return linesOf(file).map((line) => ({ ...line, text: comment.exec(line.text)?.[1] ?? '' }))
}

/** Leaves the numbers of lines as they are. */
const linesIn = (removed: string) => removed.replaceAll(/[^\n]+/g, ' ')

const markdown = [...pages, 'CHANGELOG.md', 'SECURITY.md']
// What doc comments say of all that is exported. `npm run api` writes it, and it is there without a build.
const reference = readdirSync(join(root, 'docs/reference')).map((name) => `docs/reference/${name}`)
const [sources, examples, tests] = ['src', 'example-app', 'test'].map((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('scopes/catalogue'))
    .map((name) => `${folder}/${name}`),
) as [string[], string[], string[]]
const code = [...sources, ...examples, ...tests].filter((file) => file !== 'test/package/words.test.ts')

function placesOf(lines: readonly Line[], allowed: ReadonlySet<string>): string[] {
  const searched = Object.entries(words).filter(([instead]) => !allowed.has(instead))
  return lines.flatMap(({ file, number, text }) =>
    searched.flatMap(([instead, { source }]) =>
      [...text.matchAll(new RegExp(source.replaceAll(' ', String.raw`\s+`), 'gi'))].map((found) => {
        const line = number + text.slice(0, found.index).split('\n').length - 1
        return `${file}:${line} "${found[0]}": ${instead}`
      }),
    ),
  )
}

test.each([
  ['pages', () => markdown.flatMap(proseOf), none],
  ['public comments', () => reference.flatMap(proseOf), none],
  ['messages', () => [...sources, ...examples].flatMap((file) => sentencesOf(file)), none],
  ['comments', () => code.flatMap(commentsOf), terms],
  ['names of tests', () => tests.flatMap((file) => sentencesOf(file, namesIn)), terms],
])('the %s have the terms of the field', (_what, lines, allowed) => {
  expect(placesOf(lines(), allowed)).toEqual([])
})

test(`no sentence of the pages has more than ${mostWords} words`, () => {
  const long = markdown.flatMap((file) => longSentences(proseOf(file)))
  expect(long).toEqual([])
})

/** A paragraph, an item of a list and a heading each end a sentence; tables have none. */
function longSentences(lines: readonly Line[]): string[] {
  const found: string[] = []
  let begun: { place: string; words: string[] } | undefined
  for (const { file, number, text } of lines) {
    if (/^\s*($|[-#|>*] |\d+\. |\|)/.test(text)) begun = undefined
    if (/^\s*(\||#)/.test(text)) continue
    for (const word of text.split(/\s+/).filter((one) => /[\p{L}\p{N}`]/u.test(one))) {
      begun ??= { place: `${file}:${number}`, words: [] }
      begun.words.push(word)
      if (begun.words.length === mostWords + 1)
        found.push(`${begun.place} ${begun.words.slice(0, 8).join(' ')} …`)
      if (/[.!?][)*_”"']*$/.test(word)) begun = undefined
    }
  }
  return found
}
