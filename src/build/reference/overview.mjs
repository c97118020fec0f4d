// What an entry exports, in groups, and the page that lists it.
import { commentOf, inCell, linked } from './comment.mjs'
import { codeOf } from './types.mjs'

const isError = ({ kind, name }) => kind === 'Class' && name.endsWith('Error')
const isOptions = ({ kind, name }) => kind === 'Interface' && /(Options|Init)$/.test(name)

const groups = [
  ['Functions', ({ kind }) => kind === 'Function'],
  ['Classes', (one) => one.kind === 'Class' && !isError(one)],
  ['Errors', isError],
  ['Options', isOptions],
  ['Interfaces', (one) => one.kind === 'Interface' && !isOptions(one)],
  ['Types', ({ kind }) => kind === 'TypeAlias'],
  ['Constants', ({ kind }) => kind === 'Variable'],
]

/** The groups that an entry has members of. */
export function sections(api) {
  return groups
    .map(([title, belongs]) => [title, api.filter(belongs)])
    .filter(([, members]) => members.length > 0)
}

/** A function and a class may differ by case alone, which anchors do not show; so each kind but functions and constants is named. */
export function headingOf({ kind, name }) {
  const word = { Class: 'Class: ', Interface: 'Interface: ', TypeAlias: 'Type: ' }[kind] ?? ''
  return `${word}\`${name}${kind === 'Function' ? '()' : ''}\``
}

/** As GitHub makes it of the heading. */
export function anchorOf(one) {
  return headingOf(one)
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-')
}

/** The page that lists what each entry exports. */
export function indexOf(entries) {
  const lists = entries.flatMap(({ name, page, api }) => [
    `## [\`${name}\`](${page})`,
    ...sections(api).flatMap(([title, members]) => [
      `### ${title}${page === 'testing.md' ? ' for tests' : ''}`,
      ['| Name | |', '| --- | --- |', ...members.map((one) => rowOf(one, page))].join('\n'),
    ]),
  ])
  return `${[introduction, ...lists].join('\n\n')}\n`
}

function rowOf(one, page) {
  const name = `\`${one.name}${one.kind === 'Function' ? '()' : ''}\``
  const plain = linked(commentOf(one).summary, (other, label) => label ?? `\`${other}\``)
  const [paragraph] = plain.split('\n\n')
  const [sentence] = /^[^]*?[.:](?=\s|$)/.exec(paragraph.replaceAll(/\s*\n\s*/g, ' ')) ?? [
    paragraph || codeOf(one),
  ]
  return `| [${name}](${page}#${anchorOf(one)}) | ${inCell(sentence.replace(/:$/, '.'))} |`
}

const introduction = `<!-- Generated from doc comments by \`npm run api\`. -->

# API reference

Every name that the package exports, with its type. It is made from the doc comments that your editor shows.
For how things fit together, begin with the [README](../../README.md).

Times are in milliseconds unless a description says seconds. A property with \`?\` may be left out. What \`pd.auth()\` or
\`sessionTokens()\` puts on a request is \`req.pagerduty\`, a [\`RequestGrant\`](passport-pagerduty.md#class-requestgrant);
\`req.user\` has the type \`Express.User\`, whose members your app declares.`
