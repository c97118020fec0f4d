// The reference of one entry of the package, as a page of Markdown.
import { commentOf, inCell, linked } from './comment.mjs'
import { anchorOf, headingOf, sections } from './overview.mjs'
import { codeOf, shortened, typeOf } from './types.mjs'

/** The page of an entry. */
export function pageOf({ name, api }) {
  const byName = new Map(api.map((one) => [one.name, one]))
  const link = linkAmong(byName)
  const body = sections(api).flatMap(([title, members]) => [
    `## ${title}`,
    ...members.flatMap((one) => exported(one, link, byName)),
  ])
  const isMain = !name.includes('/')
  const other = isMain
    ? ['testing.md', 'passport-pagerduty/testing']
    : ['passport-pagerduty.md', 'passport-pagerduty']
  return `${[
    `<!-- Generated from doc comments by \`npm run api\`. -->`,
    `# \`${name}\``,
    `Everything that \`import … from '${name}'\` gives. [Overview](README.md) · [\`${other[1]}\`](${other[0]})`,
    ...body,
  ].join('\n\n')}\n`
}

/** Links a name, or a member of one such as `UserGrant.paginate`, if it is on this page. */
function linkAmong(byName) {
  return (name, label) => {
    const [owner, member] = name.split('.')
    const text = label ? label.trim() : `\`${name}\``
    const one = byName.get(owner)
    if (one === undefined) return text
    const own = one.members?.find((each) => each.name === member)
    const isMethod = own !== undefined && /^Method/.test(own.kind)
    return `[${text}](#${isMethod ? slugOf(`${owner}.${member}()`) : anchorOf(one)})`
  }
}

function slugOf(title) {
  return title.toLowerCase().replaceAll(/[^\w-]/g, '')
}

function exported(one, link, byName) {
  const text = commentOf(one)
  return [
    `### ${headingOf(one)}`,
    ...(text.summary === '' ? [] : [linked(text.summary, link)]),
    ...signatureOf(one),
    ...ancestors(one, link, byName),
    ...details(text, link),
    ...membersOf(one, link),
  ]
}

/** Interfaces are their table. */
function signatureOf(one) {
  if (one.kind === 'Interface') return []
  if (one.kind !== 'Class') return [fenced(shortened(codeOf(one).replace(/^(?=\w+:)/, 'const ')))]
  const made = (one.members ?? []).filter(({ kind }) => kind === 'Constructor')
  return made.map((each) => fenced(codeOf(each, 1).replace(/^constructor/, `new ${one.name}`)))
}

function ancestors(one, link, byName) {
  if (one.kind !== 'Class' && one.kind !== 'Interface') return []
  const code = codeOf(one).replace(/^(\w+ \w+)<.*?>(?= |$)/, '$1')
  const [, names = ''] = /^\w+ \w+ ((?:extends|implements) .*)$/s.exec(code) ?? []
  if (names === '') return []
  const text = names.trim().replace(/^e/, 'E').replace(/^i/, 'I')
  const found = [...new Set(text.match(/\w+/g))].filter((name) => byName.has(name))
  if (/[<'"]/.test(text))
    return [
      `${text.replace(/ .*/s, (rest) => ` \`${rest.trim()}\``)}: see ${found.map((name) => link(name)).join(', ')}.`,
    ]
  return [`${text.replaceAll(/\b(?!extends|implements)\w{2,}/gi, (name) => link(name))}.`]
}

function details({ params, returns, throws, sources, examples }, link) {
  const lists = [
    ['Parameters', params],
    ['Returns', returns],
    ['Throws', throws],
    ['Source', sources],
  ]
  return [
    ...lists
      .filter(([, entries]) => entries.length > 0)
      .map(([title, entries]) =>
        entries.length === 1
          ? `${title}: ${oneLine(entries[0], link)}`
          : [`${title}:`, '', ...entries.map((entry) => `- ${oneLine(entry, link)}`)].join('\n'),
      ),
    ...examples.map(fenced),
  ]
}

function oneLine(text, link) {
  return linked(text.replaceAll(/\s*\n\s*/g, ' '), link)
}

function fenced(code) {
  return `\`\`\`ts\n${code.replace(/;$/, '')}\n\`\`\``
}

function membersOf(one, link) {
  const members = (one.members ?? []).filter((each) => !isOfEveryError(each))
  const properties = members.filter(({ kind }) => /^(Property|IndexSignature)/.test(kind))
  const methods = members.filter(({ kind }) => /^Method/.test(kind))
  const names = [...new Set(methods.map(({ name }) => name))]
  return [
    ...(properties.length > 0 ? [tableOf(properties, link)] : []),
    ...names.flatMap((name) =>
      method(
        `${one.name}.${name}()`,
        methods.filter((each) => each.name === name),
        link,
      ),
    ),
  ]
}

/** Each class of errors says its name, so that bundlers may call it otherwise. */
function isOfEveryError({ name, docComment = '' }) {
  return name === 'name' && docComment.includes('whatever a bundler')
}

function method(title, overloads, link) {
  return [
    `#### \`${title}\``,
    ...overloads.flatMap((one) => {
      const text = commentOf(one)
      return [
        fenced(codeOf(one, 1)),
        ...(text.summary === '' ? [] : [linked(text.summary, link)]),
        ...details(text, link),
      ]
    }),
  ]
}

/** A default that is code, and not a description, as code. */
function literal(value) {
  return /^('[^']*'|\[.*\]|[\d_]+|true|false|undefined|null|[a-z]+[A-Z.]\w+|[A-Z]\w*\.\w+)$/.test(value)
    ? `\`${value}\``
    : value
}

function tableOf(properties, link) {
  const rows = properties.map((one) => {
    const { summary, defaults, throws } = commentOf(one)
    const parts = [
      summary.replace(/ (`(?:PAGERDUTY|SESSION|REDIS)_[A-Z_]+`)$/, ' Variable: $1.'),
      ...defaults.map((value) => `Default: ${literal(value)}${/[.!?]$/.test(value) ? '' : '.'}`),
      ...throws.map((value) => `Throws ${value}`),
    ].filter((part) => part !== '')
    const name = one.name ?? /\[.*?\]/.exec(codeOf(one))[0]
    return `| \`${name}${one.isOptional ? '?' : ''}\` | ${inCell(typeOf(one, link))} | ${inCell(linked(parts.join(' '), link))} |`
  })
  return ['| Property | Type | |', '| --- | --- | --- |', ...rows].join('\n')
}
