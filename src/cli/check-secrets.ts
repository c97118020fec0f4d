import { variables } from '../environment'
import type { Configuration } from './configuration'
import { type Finding, error, note, ok, warning } from './finding'

const make = 'Make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')".'
/** Bits by Shannon's formula; 32 random hexadecimal digits have about 110. */
const leastBits = 90

/** The secrets: strong, and each used for one thing. Their shape the library has looked at. */
export function checkSecrets(configuration: Configuration): Finding[] {
  return [...sessionSecret(configuration), ...webhookSecret(configuration), ...reused(configuration)]
}

function sessionSecret({ options, given, store, has, isProduction }: Configuration): Finding[] {
  const check = 'session-secret'
  if (!has('secret')) {
    if (given.secret !== undefined || isProduction || store.kind !== 'memory') return []
    return [
      note(check, 'SESSION_SECRET is not set: outside production a random one is made at each start', make),
    ]
  }
  const secrets = [options.secret ?? []].flat()
  const weak = secrets.findIndex(isWeak)
  if (weak >= 0) {
    const which = secrets.length > 1 ? ` (number ${weak + 1} of ${secrets.length})` : ''
    return [warning(check, `SESSION_SECRET is long enough, but does not look random${which}`, make)]
  }
  if (new Set(secrets).size < secrets.length) {
    return [
      warning(
        check,
        'SESSION_SECRET has the same secret twice',
        'Leave one of them out: the first encrypts, all of them decrypt.',
      ),
    ]
  }
  const count = secrets.length > 1 ? `${secrets.length} secrets; the first one encrypts` : 'long and random'
  return [ok(check, `SESSION_SECRET: ${count}`)]
}

function webhookSecret({ given, has }: Configuration): Finding[] {
  if (has('webhookSecret'))
    return [ok('webhook-secret', 'PAGERDUTY_WEBHOOK_SECRET has the shape of PagerDuty’s')]
  if (given.webhookSecret === undefined)
    return [note('webhook-secret', 'PAGERDUTY_WEBHOOK_SECRET is not set: webhooks cannot be received')]
  return []
}

function reused({ environment }: Configuration): Finding[] {
  const uses = [
    variables.clientID,
    variables.clientSecret,
    variables.webhookSecret,
    variables.secret,
  ].flatMap((variable) =>
    (environment[variable] ?? '')
      .split(',')
      .filter((value) => value !== '')
      .map((value) => ({ variable, value: value.trim() })),
  )
  const found = uses.flatMap((one, at) =>
    uses
      .slice(at + 1)
      .filter(({ variable, value }) => value === one.value && variable !== one.variable)
      .map((other) => [one.variable, other.variable] as const),
  )
  return found.map(([one, other]) =>
    error(
      'secret-reuse',
      `${one} and ${other} have the same value`,
      'Give each its own: who knows one must not know the other.',
    ),
  )
}

/** Runs such as "abcdef" and "aaaa", repetitions, and few different characters: typical of a secret typed by hand. */
function isWeak(secret: string): boolean {
  const codes = Array.from(secret, (character) => character.codePointAt(0) ?? 0)
  const steps = codes.filter((code, at) => at > 0 && Math.abs(code - (codes[at - 1] ?? 0)) <= 1).length
  const counts = tally(codes)
  const bits = -[...counts.values()].reduce((sum, count) => sum + count * Math.log2(count / codes.length), 0)
  return (
    steps > codes.length / 3 ||
    bits < leastBits ||
    /^(.{1,16})\1+$/s.test(secret) ||
    /^[a-z]+([ _.-][a-z]+)+$/i.test(secret)
  )
}

function tally(codes: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1)
  return counts
}
