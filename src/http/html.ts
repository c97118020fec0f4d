/** A piece of markup that is safe to send: made by what is below and by nothing else. */
class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type { Markup }

type Piece = Markup | string | number | false | undefined | readonly Piece[]

/** Markup with values in it. A value is escaped, unless it is markup itself; a list is joined, `false` is nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  return new Markup(strings.reduce((text, string, at) => text + rendered(values[at - 1]) + string))
}

/** Markup of our own, as it is. */
export function trusted(text: string): Markup {
  return new Markup(text)
}

function rendered(value: Piece): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map(rendered).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
