import { EventEmitter } from 'node:events'
import type { PagerDuty, PagerDutyEvents } from '../src'

/** Something that happened, in words. */
export interface Happening {
  at: number
  name: keyof PagerDutyEvents
  /** What the event says; whose login it is about stands in `userKey`. */
  text: string
  isTrouble: boolean
  userKey?: string | undefined
}

type Told = Pick<Happening, 'text'> & {
  isTrouble?: boolean
  user?: PagerDutyEvents['login'][0]['user'] | undefined
}

const mostKept = 50

/** How each event reads. */
const sentences: { [Name in keyof PagerDutyEvents]: (detail: PagerDutyEvents[Name][0]) => Told } = {
  login: ({ user, grantedScopes }) => ({ text: `granted ${grantedScopes.join(' ')}`, user }),
  partialGrant: ({ user, missing }) => ({ text: `not granted: ${missing.join(' ')}`, user, isTrouble: true }),
  loginFailed: ({ reason }) => ({ text: reason, isTrouble: true }),
  stateMismatch: ({ cause }) => ({ text: `cause: ${cause}`, isTrouble: true }),
  logout: ({ user }) => ({ text: 'grant ended', user }),
  denied: ({ route, reason, action, user }) => ({
    text: `${route ?? 'a route'}: ${reason}, ${answers[action]}`,
    user,
    isTrouble: true,
  }),
  refresh: ({ user, version, duration }) => ({
    text: `version ${version}, in ${Math.round(duration)} ms`,
    user,
  }),
  refreshFailed: ({ reason }) => ({ text: reason, isTrouble: true }),
  refreshSkipped: ({ version }) => ({ text: `version ${version} was there already` }),
  lockWait: ({ lock, duration }) => ({
    text: `${Math.round(duration)} ms for the ${lock === 'refresh' ? lock : 'app token'} of another process`,
  }),
  appToken: ({ account, scope }) => ({ text: `${account}: ${scope.join(' ')}` }),
  appTokenFailed: ({ account, reason }) => ({ text: `${account}: ${reason}`, isTrouble: true }),
  rateLimit: ({ state, remaining, reset, user }) => ({
    text: `${state}: ${remaining} calls left for ${reset} s`,
    user,
    isTrouble: state === 'exhausted',
  }),
  webhook: ({ outcome, status, eventType, duration }) => ({
    text: `${eventType ?? 'unknown'}: ${outcome}, ${status} in ${Math.round(duration)} ms`,
    isTrouble: outcome === 'rejected' || outcome === 'failed',
  }),
  warning: ({ error }) => ({ text: error.message, isTrouble: true }),
}

const answers = { login: 'sent to log in', stepUp: 'sent to consent', error: 'denied' }

/** What happened since this process began. */
export class EventLog extends EventEmitter<{ happening: [Happening] }> {
  readonly happenings: Happening[] = []

  constructor(pd: PagerDuty) {
    super()
    this.setMaxListeners(0)
    for (const name of Object.keys(sentences) as (keyof PagerDutyEvents)[]) this.#listen(pd, name)
  }

  #listen<Name extends keyof PagerDutyEvents>(pd: PagerDuty, name: Name): void {
    pd.on(name, ((detail: PagerDutyEvents[Name][0]) => {
      const { text, user, isTrouble = false } = sentences[name](detail)
      const userKey = user && keyOf(user)
      const happening = { at: Date.now(), name, text, isTrouble, userKey }
      this.happenings.unshift(happening)
      this.happenings.length = Math.min(this.happenings.length, mostKept)
      this.emit('happening', happening)
    }) as never)
  }
}

/** A user is identified by both: an id is unique only within its account. */
export function keyOf({ accountID, id }: { accountID: string; id: string }): string {
  return `${accountID} ${id}`
}
