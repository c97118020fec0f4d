import { isLoopback } from '../oauth/require-url'
import { identityURL } from '../oauth/endpoints'
import type { Configuration } from './configuration'
import { type Finding, error, ok, warning } from './finding'

/** Oldest Node that the package runs on, as `engines` has it. */
const oldest = [20, 19] as const

/** Node, and settings of the process that concern all of it. */
export function checkProcess(configuration: Configuration): Finding[] {
  return [...nodeVersion(), ...trust(configuration), ...processes(configuration), ...overrides(configuration)]
}

function nodeVersion(): Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1]))
    return [ok('node', `Node ${process.versions.node}`)]
  return [
    error('node', `Node ${process.versions.node} is too old`, `Install Node ${oldest.join('.')} or newer.`),
  ]
}

function trust({ environment }: Configuration): Finding[] {
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return []
  return [
    error(
      'tls',
      'NODE_TLS_REJECT_UNAUTHORIZED=0: anyone on the network path can read secrets and tokens',
      'Remove it; NODE_EXTRA_CA_CERTS names a certificate authority of your own.',
    ),
  ]
}

function processes({ environment, store }: Configuration): Finding[] {
  const count = Number(environment['WEB_CONCURRENCY'])
  if (!(count > 1) || store.kind !== 'memory') return []
  return [
    error(
      'processes',
      `WEB_CONCURRENCY starts ${count} processes, which do not share the logins in their memory`,
      'Set PAGERDUTY_TOKEN_STORE, such as sqlite:./var/pagerduty.db, or REDIS_URL.',
    ),
  ]
}

/** A part of PagerDuty that is somewhere else has to be so for identity and API alike. */
function overrides({ client, isProduction, has, isRefused }: Configuration): Finding[] {
  if (isRefused('identityURL') || isRefused('apiURL')) return []
  const { origin, hostname } = new URL(client.tokenURL)
  const isReal = origin === identityURL
  const findings: Finding[] = []
  if (isReal === (client.apiURL !== undefined) && !(isReal && client.apiURL?.endsWith('.pagerduty.com'))) {
    findings.push(
      warning(
        'endpoints',
        'One of PAGERDUTY_IDENTITY_URL and PAGERDUTY_API_URL is set without the other: tokens of one place are not valid at another',
        'Set both, or neither.',
      ),
    )
  }
  if (isProduction && has('identityURL') && isLoopback(hostname)) {
    findings.push(
      warning(
        'endpoints',
        `In production PAGERDUTY_IDENTITY_URL is ${origin}, a machine’s own address`,
        'Remove it to use PagerDuty itself.',
      ),
    )
  }
  if (findings.length > 0) return findings
  return [ok('endpoints', isReal ? 'PagerDuty’s own' : `${origin}, in PagerDuty’s place`)]
}
