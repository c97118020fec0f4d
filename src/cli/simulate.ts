import { once } from 'node:events'
import { styleText } from 'node:util'
import { type StandIn, type StandInClient, defaultAccounts, defaultClient, startPagerDuty } from '../testing'
import { control } from './control'
import { isColoured } from './terminal'

/** Port of the stand-in where none is named, if it is free. */
const defaultPort = 4000

const webhookSecret = 'stand-in-webhook-secret'
const app = 'http://localhost:3000'
/** Where the Scoped app is registered. */
const account = 'us.acme'

/** What to simulate. */
export interface SimulateOptions {
  port: number | undefined
  clientID: string | undefined
  scope: string | undefined
  appType: 'scoped' | 'classic'
}

/** Runs the stand-in until it is told to stop, and returns the exit code. */
export async function simulate(options: SimulateOptions): Promise<number> {
  const standIn = await start(options)
  // Before anybody can read that it runs.
  const toldToStop = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  process.stdout.write(welcome(standIn, options, isColoured(process.stdout)))
  await toldToStop
  await standIn.close()
  return 0
}

async function start(options: SimulateOptions): Promise<StandIn> {
  const { port = defaultPort, clientID = defaultClient.clientID } = options
  const run = (wanted: number) =>
    startPagerDuty({
      port: wanted,
      clients: [client(clientID, options)],
      control: (standIn) =>
        control(standIn, defaultAccounts, { secret: webhookSecret, webhookURL: `${app}/webhooks/pagerduty` }),
    })
  try {
    return await run(port)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (options.port !== undefined) throw new Error(`Port ${port} is taken: name another one, or none.`)
    return run(0)
  }
}

function client(clientID: string, options: SimulateOptions): StandInClient {
  const { appType } = options
  const home = appType === 'scoped' && { account: account.slice(3) }
  return { ...defaultClient, clientID, appType, scope: scopeOf(options), ...home }
}

function scopeOf({ scope, appType }: SimulateOptions): string[] {
  if (scope !== undefined) return scope.split(/\s+/).filter(Boolean)
  return appType === 'classic' ? ['write'] : [...defaultClient.scope]
}

function welcome(standIn: StandIn, options: SimulateOptions, coloured: boolean): string {
  const bold = (text: string) => (coloured ? styleText('bold', text) : text)
  const variables = {
    ...standIn.env(),
    PAGERDUTY_CALLBACK_URL: `${app}/auth/pagerduty/callback`,
    PAGERDUTY_SCOPE: scopeOf(options).join(' '),
    ...(options.appType === 'scoped' && { PAGERDUTY_ACCOUNT: account }),
    PAGERDUTY_WEBHOOK_SECRET: webhookSecret,
  }
  // What is no variable is a comment, so that `node --env-file` and a shell can read all of it: Node 20.19 takes other
  // lines for part of the next variable's name.
  return [
    bold('# A stand-in for PagerDuty, on this machine'),
    '#',
    `#   Control page   ${standIn.url}/__stand-in/`,
    '#   Stop           Ctrl-C',
    '#',
    bold('# For the app, before it starts:'),
    '',
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`),
    '',
    '# The callback URL may be any http or https URL of localhost, *.localhost, 127.*.*.* or [::1].',
    '',
  ].join('\n')
}

function quoted(value: string): string {
  return /^[\w.:/@-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}
