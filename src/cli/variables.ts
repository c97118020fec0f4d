import { existsSync } from 'node:fs'
import { variables } from '../environment'
import { nearest } from '../errors/closest-match'
import { isExample } from '../store/placeholder'
import { type Finding, error, note, ok, warning } from './finding'

/** What a process finds in its environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Variables whose values are secret, or hold a secret. */
export const secretVariables = [
  variables.clientSecret,
  variables.secret,
  variables.webhookSecret,
  variables.redis,
  variables.tokenStore,
]

const known: readonly string[] = Object.values(variables)
const prefix = 'PAGERDUTY_'
const example = /^<.*>$|^\[.*\]$|^(…|\.\.\.|xxx+|to-?do|changeme|your[-_ ].*)$/i

/** The environment without the blanks and quotes that do not belong to a value, and what was wrong with it. */
export function readVariables(environment: Environment): {
  environment: Environment
  findings: readonly Finding[]
} {
  const cleaned: Record<string, string | undefined> = { ...environment }
  const findings: Finding[] = [...unknownNames(environment)]
  for (const name of known) {
    const value = environment[name]
    if (value === undefined) continue
    const bare = withoutQuotes(value.trim())
    const problem = problemOf(name, value, bare)
    if (problem !== undefined) findings.push(problem)
    cleaned[name] = problem?.check === 'variable-example' ? undefined : bare
  }
  const isClean = findings.every(({ level }) => level === 'note')
  return {
    environment: cleaned,
    findings: isClean
      ? [...findings, ok('variables', 'All names are known, and all values are clean')]
      : findings,
  }
}

/** Where values may come from that were not read. */
export function fileHint(readsFile: boolean): string {
  return !readsFile && existsSync('.env') ? ' There is a .env here, which --env-file .env reads.' : ''
}

function problemOf(name: string, value: string, bare: string): Finding | undefined {
  if (value === '') {
    return note(
      'variable-empty',
      `${name} is empty, which counts as not set`,
      'Give it a value, or remove it.',
    )
  }
  if (example.test(bare) || (name !== variables.secret && !isURL(bare) && isExample(bare))) {
    return error('variable-example', `${name} holds an example in place of a value`, 'Set the real value.')
  }
  if (bare !== value.trim()) {
    return error(
      'variable-quotes',
      `${name} has quotes around its value, and they count as part of it`,
      'Remove them: docker --env-file, systemd and CI settings pass quotes on.',
    )
  }
  if (value !== bare && name !== variables.scope) {
    return error(
      'variable-blanks',
      `${name} begins or ends with whitespace or a newline, which counts as part of it`,
      'Remove it; a secret from a file often ends with a newline.',
    )
  }
  return undefined
}

function unknownNames(environment: Environment): Finding[] {
  return Object.keys(environment).flatMap((name) => {
    if (known.includes(name) || !environment[name]) return []
    const meant = meantBy(name, environment)
    if (meant !== undefined) {
      return [warning('variable-unknown', `${name} is not read by this package`, `Did you mean ${meant}?`)]
    }
    // A line "NAME: secret" of a file becomes a name.
    const shown = /^[A-Z_]+$/.test(name) ? name : `A variable whose name begins with ${prefix}`
    return name.startsWith(prefix) ? [note('variable-unknown', `${shown} is not read by this package`)] : []
  })
}

/** Other tools have variables that look like these two, so only where the right one is missing. */
function meantBy(name: string, environment: Environment): string | undefined {
  if (!name.startsWith(prefix)) {
    const missing = [variables.secret, variables.redis].filter((one) => !environment[one])
    return name.length < 7 ? undefined : nearest(name, missing)
  }
  const rest = known.flatMap((one) => (one.startsWith(prefix) ? [one.slice(prefix.length)] : []))
  const found = nearest(name.slice(prefix.length), rest)
  return found === undefined ? undefined : prefix + found
}

function withoutQuotes(value: string): string {
  return /^(["'])(.*)\1$/s.exec(value)?.[2] ?? value
}

function isURL(value: string): boolean {
  return /^\w+:\/\//.test(value)
}
