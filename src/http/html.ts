/** Markup that is safe to send: only `html` and `trusted` create it. */
class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type { Markup }

type Piece = Markup | string | number | false | undefined | readonly Piece[]

/** Markup with values. Values are escaped unless they are markup; lists are joined, `false` is left out. */
export function html(strings: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  return new Markup(strings.reduce((text, string, at) => text + rendered(values[at - 1]) + string))
}

/** Our own markup, unescaped. */
export function trusted(text: string): Markup {
  return new Markup(text)
}

function rendered(value: Piece): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map(rendered).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
