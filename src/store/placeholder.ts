const examples = /change[-_ ]?me|keyboard cat|your[-_ ].{0,64}secret|placeholder|password|^(0123456789)/i

/** Whether a string looks like the placeholders of examples and templates. */
export function isExample(text: string): boolean {
  return examples.test(text)
}

/** Whether a string is no secret: an example, or a few repeated characters. */
export function isPlaceholder(text: string): boolean {
  return new Set(text).size < 8 || isExample(text)
}
