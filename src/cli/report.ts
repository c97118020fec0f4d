import { stripVTControlCharacters, styleText } from 'node:util'
import type { Finding, Level } from './finding'
import { type Environment, secretVariables } from './variables'

const styles = { ok: 'green', note: 'cyan', warning: 'yellow', error: 'red' } as const satisfies Record<
  Level,
  Parameters<typeof styleText>[0]
>
const levels = ['error', 'warning', 'note', 'ok'] as const satisfies readonly Level[]

/** A line for each finding, its fix below it, and how many there are. */
export function reportText(findings: readonly Finding[], coloured: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    coloured ? styleText(style, text) : text
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.flatMap(({ check, level, message, remedy }) => [
    `${paint(styles[level], level.padEnd(7))}  ${check.padEnd(width)}  ${message}`,
    ...(remedy === undefined ? [] : [paint('dim', `${' '.repeat(width + 11)}-> ${remedy}`)]),
  ])
  const counts = levels.map((level) => countOf(level, findings)).filter((count) => count !== undefined)
  return `${lines.join('\n')}\n\n${paint('bold', `${counts.join(', ')}.`)}\n`
}

/** One JSON document. */
export function reportJSON(findings: readonly Finding[]): string {
  const list = findings.map(({ remedy = null, ...finding }) => ({ ...finding, remedy }))
  return `${JSON.stringify({ ok: !hasErrors(findings), findings: list }, undefined, 2)}\n`
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === 'error')
}

/**
 * Findings that can be shown around: a secret that got into the wrong variable, or into a server's error message, is
 * blotted out, and what came from elsewhere cannot move the cursor.
 */
export function shown(findings: readonly Finding[], environment: Environment): Finding[] {
  const secrets = secretVariables.flatMap((variable) => secretsIn(environment[variable] ?? ''))
  // Host names come back in lower case.
  const anySecret = new RegExp(secrets.map((secret) => escaped(secret)).join('|') || '(?!)', 'gi')
  const clean = (text: string) =>
    stripVTControlCharacters(text.replaceAll(anySecret, '***')).replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
  return findings.map(({ message, remedy, ...finding }) => ({
    ...finding,
    message: clean(message),
    remedy: remedy === undefined ? undefined : clean(remedy),
  }))
}

/** A text as a pattern that means it. */
function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')
}

/** The longest first, so that of one that holds another nothing is left. */
function secretsIn(value: string): string[] {
  const { password = '' } = URL.canParse(value) ? new URL(value) : {}
  const parts = URL.canParse(value) ? [password, decoded(password)] : value.split(',')
  const found = [value, ...parts.map((part) => part.trim())]
  // The scheme of a store, without the rest, is in fixes too.
  return found.filter((part) => part.length >= 6 && !/^[a-z]+:$/.test(part))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function countOf(level: Level, findings: readonly Finding[]): string | undefined {
  const count = findings.filter((finding) => finding.level === level).length
  if (count === 0) return undefined
  return `${count} ${level}${count === 1 || level === 'ok' ? '' : 's'}`
}
