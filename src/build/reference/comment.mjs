// Doc comments as Markdown.

/**
 * Reads a comment as API Extractor hands it on.
 *
 * @returns the summary, and what its tags say
 */
export function commentOf({ docComment = '' }) {
  const text = docComment
    .replace(/^\/\*\*|\*\/\s*$/g, '')
    .replaceAll(/^ *\* ?/gm, '')
    .replaceAll(/\\([@{}<>\\*_`[\]~$|-])/g, '$1')
  const [summary, ...rest] = text.split(
    /(?:^|\s)@(?=(?:param|returns|throws|default|see|example|remarks|typeParam)\b)/,
  )
  const tags = rest.map((one) => {
    const [, tag, body] = /^(\w+)\s*([^]*)$/.exec(one)
    return { tag, body: body.trim() }
  })
  const of = (name) => tags.filter(({ tag }) => tag === name).map(({ body }) => body)
  return {
    summary: /^Constructs a new instance of/.test(summary.trim()) ? '' : summary.trim(),
    params: of('param').map((body) => body.replace(/^(\w+)\s+-?\s*/, '`$1`: ')),
    returns: of('returns'),
    throws: of('throws').map((body) => body.replace(/^\{(\w+)\}\s*/, '{@link $1}: ').replace(/: $/, '')),
    defaults: of('default'),
    sources: of('see'),
    examples: of('example'),
  }
}

/** Makes links of what a comment names, and of addresses. */
export function linked(text, link) {
  return text
    .replaceAll(/\{@link (\S+?)\s*(?:\|\s*([^}]*))?\}/g, (_all, name, label) => link(name, label))
    .replaceAll(/(?<![(<`'"])(https:\/\/[^\s)`'"]*[^\s)`'".,])/g, '<$1>')
}

/** Joins the lines of paragraphs, for a cell of a table. */
export function inCell(text) {
  return text
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll(/\s*\n\s*/g, ' '))
    .join('<br>')
    .replaceAll(/(?<!\\)\|/g, '\\|')
}
