// Code of types, as a reader wants to see it.

const longest = 100

/** The declaration without `export declare`; `depth` is how deep it is nested. */
export function codeOf({ excerptTokens }, depth = 0) {
  const code = excerptTokens
    .map(({ text }) => text)
    .join('')
    .replace(/^export /, '')
    .replace(/^declare /, '')
    .replaceAll(/\b(Request|Response)_2\b/g, '$1')
    // What API Extractor calls a parameter that is taken apart.
    .replaceAll(/\binput\?:/g, 'options?:')
    .trim()
  // The build indents by one space.
  return code.replaceAll(/^ +/gm, (spaces) => '  '.repeat(Math.max(0, spaces.length - depth)))
}

/** The type of a property; a link where it is the name of an exported type. */
export function typeOf(one, link) {
  const code = codeOf(one)
    .replace(/^(?:static |readonly |get |protected )*(?:\[.*?\]|\w+)\??(?:\(\))?(?:: | = )/, '')
    .replace(/;$/, '')
    .replaceAll(/\s+/g, ' ')
    .replace(/ \| undefined$/, one.isOptional ? '' : ' | undefined')
    .replace(/^\((\(.*\) => [^()]*)\)$/, '$1')
  const [, name, rest] = /^(?:readonly )?([A-Z]\w+)((?:\[\])?)$/.exec(code) ?? []
  const target = name === undefined ? '' : link(name)
  return target.startsWith('[') ? `${target}${rest}` : `\`${code}\``
}

/** A long union or list with a line for each member, and with the first ones only where it is very long. */
export function shortened(code) {
  if (code.length <= longest) return code
  const [, head, list] = /^([^]*?: readonly )\[([^]*)\];?$/.exec(code) ?? []
  if (list !== undefined) return [`${head}[`, ...list.split(', ').map((one) => `  ${one},`), ']'].join('\n')
  const [, begin, type] = /^(type [^=]*) = ([^]*?);?$/.exec(code) ?? []
  const members = type === undefined ? [] : atTopLevel(type, ' | ')
  if (members.length < 3 || type.includes('\n')) return code
  const isWhole = code.length < 2_000
  const lines = members
    .slice(0, isWhole ? undefined : 3)
    .map((one) => `  | ${isWhole ? one : `${one.slice(0, longest)} …`}`)
  return [`${begin} =`, ...lines, ...(isWhole ? [] : ['  | …'])].join('\n')
}

/** Splits where no bracket or quotation is open. */
function atTopLevel(code, separator) {
  const parts = ['']
  let depth = 0
  for (let at = 0; at < code.length; at += 1) {
    const char = code[at]
    if ('([{'.includes(char)) depth += 1
    if (')]}'.includes(char)) depth -= 1
    if (depth === 0 && code.startsWith(separator, at)) {
      parts.push('')
      at += separator.length - 1
    } else parts[parts.length - 1] += char
  }
  return parts
}
