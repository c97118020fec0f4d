import { once } from 'node:events'
import { styleText } from 'node:util'
import {
  type Simulator,
  type SimulatorClient,
  defaultAccounts,
  defaultClient,
  startPagerDuty,
} from '../testing'
import { control } from './control'
import { keepState, readState, writeCertificate, writeVariables } from './simulate-files'
import { isColoured } from './terminal'

/** Port of the simulator where none is named, if it is free. */
const defaultPort = 4000

const app = 'http://localhost:3000'
/** Where the Scoped app is registered. */
const account = 'us.acme'

/** What to simulate. */
export interface SimulateOptions {
  port: number | undefined
  clientID: string | undefined
  scope: string | undefined
  appType: 'scoped' | 'classic'
  tls: boolean
  /** File for the variables, which are then not printed. */
  out: string | undefined
  /** File in which tokens and data survive a restart. */
  state: string | undefined
}

/** Runs the simulator until it receives a signal to stop, and returns the exit code. */
export async function simulate(options: SimulateOptions): Promise<number> {
  const simulator = await start(options)
  let certificate: ReturnType<typeof writeCertificate> | undefined
  try {
    if (simulator.certificate !== undefined)
      certificate = writeCertificate(simulator.certificate, options.state)
    // Before anybody can read that it runs.
    const toldToStop = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
    const finish = options.state === undefined ? undefined : keepState(simulator, options.state)
    const variables = variablesOf(simulator, options, certificate?.file)
    const { out } = options
    if (out !== undefined) writeVariables(out, welcome(simulator, variables, false))
    process.stdout.write(welcome(simulator, out ?? variables, isColoured(process.stdout)))
    await toldToStop
    finish?.()
  } finally {
    certificate?.remove()
    await simulator.close()
  }
  return 0
}

async function start(options: SimulateOptions): Promise<Simulator> {
  const { port = defaultPort, clientID = defaultClient.clientID, tls, state: file } = options
  const state = file === undefined ? undefined : readState(file)
  const run = (wanted: number) =>
    startPagerDuty({
      port: wanted,
      tls,
      state,
      clients: [client(clientID, options)],
      control: (simulator) =>
        control(simulator, defaultAccounts, {
          secret: simulator.env()['PAGERDUTY_WEBHOOK_SECRET'] as string,
          webhookURL: `${app}/webhooks/pagerduty`,
        }),
    })
  try {
    return await run(port)
  } catch (error) {
    if (state && error instanceof TypeError)
      throw new Error(`--state ${file}: ${error.message}`, { cause: error })
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (options.port !== undefined) throw new Error(`Port ${port} is taken: name another one, or none.`)
    return run(0)
  }
}

function client(clientID: string, options: SimulateOptions): SimulatorClient {
  const { appType } = options
  const home = appType === 'scoped' && { account: account.slice(3) }
  return { ...defaultClient, clientID, appType, scope: scopeOf(options), ...home }
}

function scopeOf({ scope, appType }: SimulateOptions): string[] {
  if (scope !== undefined) return scope.split(/\s+/).filter(Boolean)
  return appType === 'classic' ? ['write'] : [...defaultClient.scope]
}

function variablesOf(
  simulator: Simulator,
  options: SimulateOptions,
  certificate: string | undefined,
): Record<string, string> {
  const { PAGERDUTY_WEBHOOK_SECRET, ...connection } = simulator.env()
  return {
    ...connection,
    PAGERDUTY_CALLBACK_URL: `${app}/auth/pagerduty/callback`,
    PAGERDUTY_SCOPE: scopeOf(options).join(' '),
    ...(options.appType === 'scoped' && { PAGERDUTY_ACCOUNT: account }),
    PAGERDUTY_WEBHOOK_SECRET: PAGERDUTY_WEBHOOK_SECRET as string,
    ...(certificate !== undefined && { NODE_EXTRA_CA_CERTS: certificate }),
  }
}

/** The variables, or where they are. */
function welcome(
  simulator: Simulator,
  variables: Record<string, string> | string,
  coloured: boolean,
): string {
  const bold = (text: string) => (coloured ? styleText('bold', text) : text)
  // What is no variable is a comment, so that `node --env-file` and a shell can read all of it: Node 20.19 takes other
  // lines for part of the next variable's name.
  const forApp =
    typeof variables === 'string'
      ? [bold(`# For the app, before it starts: ${variables}`)]
      : [
          bold('# For the app, before it starts:'),
          '',
          ...Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`),
          '',
        ]
  return [
    bold('# The PagerDuty simulator, on this machine'),
    '#',
    `#   Control page   ${simulator.url}/__simulator/`,
    '#   Stop           Ctrl-C',
    '#',
    ...forApp,
    ...(simulator.certificate === undefined
      ? []
      : ['# Node reads NODE_EXTRA_CA_CERTS before --env-file: let the shell set it.']),
    '# The callback URL may be any http or https URL of localhost, *.localhost, 127.*.*.* or [::1].',
    '',
  ].join('\n')
}

function quoted(value: string): string {
  return /^[\w.:/@-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}
