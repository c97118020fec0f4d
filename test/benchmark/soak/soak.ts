import { setTimeout as pause } from 'node:timers/promises'
import { type Simulator, defaultAccounts, startPagerDuty } from '../../../src/testing'
import { AppProcess } from '../app-process'
import type { Finding } from '../bench'
import { secret } from '../log-in'
import { Gate } from './gate'
import { type Place, openPlace } from './places'
import { type Holdings, type Sample, findingOf } from './finding'
import { Visitors, period } from './visitors'

/** How to soak. */
export interface SoakOptions {
  minutes: number
  store: string
  progress: (what: string) => void
}

const visitors = 40
/** Seconds that an access token lives, and milliseconds that a session does without a request. */
const [tokenLifetime, idle] = [10, 60_000]
/** Milliseconds for which the store remembers that a callback was taken, from the beginning of the login. */
const redeemedFor = 15 * 60_000

/** An app under steady load for a long time: does anything grow? */
export async function soak({ minutes, store, progress }: SoakOptions): Promise<Finding> {
  const place = await openPlace(store)
  const simulator = await startPagerDuty({ accounts: [account()], accessTokenLifetime: tokenLifetime })
  const apps: AppProcess[] = []
  try {
    const env = { ...simulator.env(), ...place.env, SESSION_SECRET: secret, IDLE: String(idle) }
    // What one process has in memory, another one cannot see.
    while (apps.length < (place.name === 'memory' ? 1 : 2)) apps.push(await AppProcess.start('soak', env))
    const gate = new Gate()
    const crowd = new Visitors(
      apps.map(({ url }) => url),
      account().users.map(({ id }) => id),
      gate,
    )
    const over = crowd.come(visitors)
    const samples: Sample[] = []
    const interval = Math.min(60_000, (minutes * 60_000) / 12)
    const startedAt = performance.now()
    for (let number = 1; number * interval <= minutes * 60_000 + 1; number++) {
      await pause(startedAt + number * interval - performance.now())
      await gate.close()
      crowd.disconnect()
      const at = (performance.now() - startedAt) / 60_000
      samples.push({ at, ...(await look({ apps, place, simulator, crowd })) })
      progress(`soak: ${at.toFixed(0)} of ${minutes} minutes`)
      gate.open()
    }
    crowd.stop()
    await over
    const how =
      `${apps.length === 1 ? 'One process' : 'Two processes'} over ${place.name} for ${minutes} minutes: ${visitors} visitors, each ` +
      `with a request every ${period} ms. An access token lives ${tokenLifetime} s. A visitor stays 10 to 30 s, then logs out (one in ` +
      'ten just leaves) and comes again as another user.'
    return findingOf(samples, how)
  } finally {
    await Promise.all(apps.map((app) => app.stop()))
    await simulator.close()
    await place.close()
  }
}

/** The account of the simulator, with more users than come at a time. */
function account() {
  const [acme] = defaultAccounts as [(typeof defaultAccounts)[0]]
  const users = Array.from({ length: visitors + 7 }, (_, number) => {
    const id = `PACME${String(number + 1).padStart(2, '0')}`
    return { id, name: `User ${id}`, email: `${id.toLowerCase()}@acme.example`, role: 'user' }
  })
  return { ...acme, users }
}

interface Scene {
  apps: readonly AppProcess[]
  place: Place
  simulator: Simulator
  crowd: Visitors
}

async function look({ apps, place, simulator, crowd }: Scene): Promise<Omit<Sample, 'at'>> {
  const processes = await Promise.all(apps.map((app) => app.ask<Holdings>('holdings')))
  const rotations = simulator.calls.token.refresh_token
  simulator.resetCalls()
  const now = performance.now()
  const since = (times: readonly number[], age: number) => times.filter((time) => time > now - age).length
  // Counted before the store is read, so that what expires meanwhile is not missing.
  const mostLogins = 2 * (crowd.loggedIn + since(crowd.leftAt, idle))
  const mostCallbacks = since(crowd.loggedInAt, redeemedFor)
  const all = await place.keys()
  const keys = all && {
    logins: all.filter((key) => /^(sess|grant):/.test(key)).length,
    mostLogins,
    callbacks: all.filter((key) => key.startsWith('login:')).length,
    mostCallbacks,
    users: all.filter((key) => key.startsWith('user:')).length,
    mostUsers: account().users.length,
    // The app token, its entry and that of the one before it; while one is requested, a lease.
    mostOthers: 4,
    others: all.filter((key) => !/^(sess|grant|login|user):/.test(key)).length,
  }
  return { ...crowd.takeTally(), rotations, processes, keys }
}
