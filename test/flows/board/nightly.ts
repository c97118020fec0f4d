// The nightly job: a process of its own, without a browser.
import { type Name, accounts, close, redis } from './accounts'

async function run(): Promise<void> {
  for (const job of await redis.smembers('board:nightly')) {
    const [name, grantID] = job.split('/') as [Name, string]
    const grant = await accounts[name].grants.get(grantID)
    if (grant === undefined) await redis.srem('board:nightly', job) // unlinked, or revoked
    const answer = await grant?.fetch('/incidents?statuses[]=triggered')
    if (answer?.ok) process.stdout.write(`${name}: ${await answer.text()}\n`)
  }
  await close()
}

void run()
