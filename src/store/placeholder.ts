const examples = /change[-_ ]?me|keyboard cat|your[-_ ].{0,64}secret|placeholder|password|^(0123456789)/i

/** Whether a text is one that examples and templates hold where a value belongs. */
export function isExample(text: string): boolean {
  return examples.test(text)
}

/** Whether a text is no secret: an example, or a few letters over and over. */
export function isPlaceholder(text: string): boolean {
  return new Set(text).size < 8 || isExample(text)
}
