import { checkApp } from './check-app'
import { checkCallback } from './check-callback'
import { checkCredentials, checkRegistration, unchecked } from './check-client'
import { checkPagerDuty } from './check-pagerduty'
import { checkProcess } from './check-process'
import { checkScopes } from './check-scopes'
import { checkSecrets } from './check-secrets'
import { checkStore } from './check-store'
import { type Configuration, readConfiguration } from './configuration'
import type { Finding } from './finding'
import { hasErrors, reportJSON, reportText, shown } from './report'
import { withSpinner } from './spinner'
import { isColoured } from './terminal'
import { type Environment, fileHint, readVariables } from './variables'

/** How the doctor is asked. */
export interface DoctorOptions {
  /** Whether variables came from a file as well. */
  readsFile: boolean
  /** Address of the running app. */
  url: string | undefined
  json: boolean
}

/** Looks at everything, says what it found, and returns the exit code. */
export async function doctor(environment: Environment, options: DoctorOptions): Promise<number> {
  const findings = await withSpinner(
    process.stderr,
    'Asking the token store and PagerDuty…',
    examine(environment, options),
  )
  const list = shown(findings, environment)
  process.stdout.write(options.json ? reportJSON(list) : reportText(list, isColoured(process.stdout)))
  return hasErrors(list) ? 1 : 0
}

/** All findings, in the order in which the checks depend on each other. Checks that send requests run at the same time. */
async function examine(given: Environment, { readsFile, url }: DoctorOptions): Promise<Finding[]> {
  const { environment, findings: ofVariables } = readVariables(given)
  const { configuration, findings: ofOptions } = readConfiguration(environment, fileHint(readsFile))
  const here = [checkProcess, checkScopes, checkCallback, checkSecrets].flatMap((check) =>
    check(configuration),
  )
  const asked = await Promise.all([
    checkStore(configuration),
    askPagerDuty(configuration),
    checkApp(configuration, url),
  ])
  const examples = ofVariables.filter(({ check }) => check === 'variable-example')
  const isExample = ({ message }: Finding) =>
    examples.some((one) => message.startsWith(`${one.message.split(' ', 1).join('')} is not set`))
  return [
    ...ofVariables,
    ...[...ofOptions, ...here, ...asked.flat()].filter((finding) => !isExample(finding)),
  ]
}

/** If PagerDuty cannot be reached, one finding is enough; if its URL is not known, no request is sent. */
async function askPagerDuty(configuration: Configuration): Promise<Finding[]> {
  if (configuration.isRefused('identityURL')) return unchecked
  const findings = await checkPagerDuty(configuration)
  if (findings.some(({ check }) => check === 'identity')) return [...findings, ...unchecked]
  const more = await Promise.all([checkRegistration(configuration), checkCredentials(configuration)])
  return [...findings, ...more.flat()]
}
