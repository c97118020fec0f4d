import { parseArgs } from 'node:util'
import { PagerDutyOAuthError } from '../src'
import { type RunningExample, startExampleApp } from './start'

export { createExampleApp } from './app'
export { startExampleApp } from './start'
export type { ExampleOptions, RunningExample } from './start'

const defaultPort = 3000

async function main(): Promise<void> {
  const wanted = process.env['PORT']
  const port = wanted ? Number(wanted) : defaultPort
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`PORT is "${wanted}": give a number up to 65535.`)
  }
  const { store } = parseArgs({ options: { store: { type: 'string' } } }).values
  const options = store === undefined ? {} : { store }
  let isElsewhere = false
  const app = await startExampleApp({ port, ...options }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error
    // A callback URL of the user's own would not lead to another port.
    if (wanted || process.env['PAGERDUTY_CALLBACK_URL']) {
      throw new Error(`Port ${port} is taken: stop what listens there, or set PORT to another one.`)
    }
    isElsewhere = true
    return startExampleApp({ port: 0, ...options })
  })
  // eslint-disable-next-line no-console
  console.log(welcome(app, isElsewhere))
  process.once('SIGINT', () => void app.close())
  process.once('SIGTERM', () => void app.close(15_000)) // A deployment: requests that wait for PagerDuty get a response.
}

function welcome({ url, callbackURL, place, simulator }: RunningExample, isElsewhere: boolean): string {
  const lines = [
    ['Open', isElsewhere ? `${url}   (port ${defaultPort} is taken)` : url],
    simulator
      ? ['PagerDuty', 'a simulator on this machine: no account needed']
      : ['PagerDuty', `the real one; its app must have the redirect URL ${callbackURL}`],
    ['Logins', place === 'in memory' ? `${place}; --store URL keeps them elsewhere` : place],
    ['Stop', 'Ctrl-C'],
  ]
  return [
    '',
    'passport-pagerduty example',
    '',
    ...lines.map(([name = '', text]) => `  ${name.padEnd(11)}${text}`),
    '',
  ].join('\n')
}

if (require.main === module) {
  main().catch((error: Error) => {
    const hint = error instanceof PagerDutyOAuthError && error.hint ? `\n${error.hint}` : ''
    process.stderr.write(`The example could not start. ${error.message}${hint}\n`)
    process.exit(1)
  })
}
