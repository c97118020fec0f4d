// The two PagerDuty accounts of the team, each an instance of its own.
import { Redis } from 'ioredis'
import { type PagerDuty, type RequestGrant, pagerduty } from 'passport-pagerduty'

declare global {
  namespace Express {
    interface Request extends Record<Name, RequestGrant> {}
    interface User {
      id: string
    }
  }
}

export const redis = new Redis(process.env['REDIS_URL'] ?? '', { commandTimeout: 2_000 })
export const names = ['acme', 'globex'] as const
export type Name = (typeof names)[number]

function make(name: Name, account: string): PagerDuty {
  const own = (variable: string) => process.env[`${name.toUpperCase()}_${variable}`]
  return pagerduty({
    name,
    redis,
    prefix: 'board:',
    clientID: own('CLIENT_ID'),
    clientSecret: own('CLIENT_SECRET'),
    callbackURL: `${process.env['BOARD_URL']}/auth/${name}/callback`,
    accounts: [account],
    scope: 'incidents.read',
    label: (req) => req.get('user-agent'),
    webhookSecret: own('WEBHOOK_SECRET'),
  })
}

export const accounts = { acme: make('acme', 'us.acme'), globex: make('globex', 'eu.globex') }

export async function close(): Promise<void> {
  await Promise.all(names.map((name) => accounts[name].close()))
  await redis.quit() // the instances have connections of their own
}
