#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { variables } from '../environment'

const help = `Usage: passport-pagerduty <command> [options]

doctor      looks for mistakes in the configuration of an app, and says how to fix them
  --env-file <file>    reads variables from a file first; the environment wins
  --scope <scopes>     what the code requests, in place of PAGERDUTY_SCOPE
  --url <address>      visits the running app there, through its proxy
  --json               prints one JSON document

simulate    runs a PagerDuty simulator on this machine, with a page to control it
  --port <port>        of the simulator (4000, if it is free)
  --client-id <id>     of the app that it knows
  --scope <scopes>     that this app is configured with
  --app-type <type>    scoped or classic
  --out <file>         gets the variables for the app, which are then not printed
  --state <file>       keeps tokens and data there, so that they survive a restart
  --tls                speaks https, with a certificate of its own

The doctor exits with 1 when it finds an error, and with 0 otherwise; a wrong command exits with 2.
`

/** What was typed makes no sense. */
class UsageError extends Error {}

async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'doctor':
      return runDoctor(args)
    case 'simulate':
      return runSimulate(args)
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(help)
      return 0
    default:
      throw new UsageError(
        command === undefined ? 'Name a command: doctor or simulate.' : `There is no command "${command}".`,
      )
  }
}

async function runDoctor(args: readonly string[]): Promise<number> {
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        'env-file': { type: 'string', multiple: true },
        scope: { type: 'string' },
        url: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  )
  const { 'env-file': files = [], scope, url, json, help: isAsked } = values
  if (isAsked) return main(['help'])
  for (const file of files) readFile(file)
  if (scope !== undefined) process.env[variables.scope] = scope
  if (url !== undefined && !/^https?:\/\//.test(url))
    throw new UsageError('--url has to begin with https:// or http://.')
  if (url !== undefined && !URL.canParse(url)) throw new UsageError('--url is no address.')
  const { doctor } = require('./doctor') as typeof import('./doctor')
  return doctor(process.env, { readsFile: files.length > 0, url, json })
}

async function runSimulate(args: readonly string[]): Promise<number> {
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        port: { type: 'string' },
        'client-id': { type: 'string' },
        scope: { type: 'string' },
        'app-type': { type: 'string', default: 'scoped' },
        out: { type: 'string' },
        state: { type: 'string' },
        tls: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }),
  )
  const { port, 'client-id': clientID, scope, 'app-type': appType, out, state, tls, help: isAsked } = values
  if (isAsked) return main(['help'])
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) < 65_536))
    throw new UsageError('--port has to be a number up to 65535.')
  if (appType !== 'scoped' && appType !== 'classic') throw new UsageError('--app-type is scoped or classic.')
  const { simulate } = require('./simulate') as typeof import('./simulate')
  const wanted = port === undefined ? undefined : Number(port)
  return simulate({ port: wanted, clientID, scope, appType, out, state, tls })
}

function parsed<Result>(parse: () => Result): Result {
  try {
    return parse()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function readFile(file: string): void {
  try {
    process.loadEnvFile(file)
  } catch (error) {
    throw new UsageError(
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}.`,
    )
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: Error) => {
    process.stderr.write(
      `${error.message}\n${error instanceof UsageError ? 'See: passport-pagerduty --help\n' : ''}`,
    )
    process.exitCode = error instanceof UsageError ? 2 : 1
  },
)
