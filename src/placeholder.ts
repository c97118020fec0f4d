const examples = /change[-_ ]?me|keyboard cat|your[-_ ].*secret|placeholder|password|^(0123456789)/i

/** Whether a text is no secret, but what examples and templates hold where a secret belongs. */
export function isPlaceholder(text: string): boolean {
  return new Set(text).size < 8 || examples.test(text)
}
