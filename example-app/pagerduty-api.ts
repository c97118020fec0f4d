import type { Request } from 'express'
import { LoginRequiredError, type Login, PagerDutyOAuthError } from '../src'

/** What PagerDuty's REST API said, or a sentence for the reader why there is nothing to show. */
export type Answer<Data> = { data: Data } | { problem: string }

export interface Profile {
  name: string
  email: string
  role: string
}

export interface Incident {
  incident_number: number
  title: string
  status: string
  urgency: string
  created_at: string
  service?: { summary: string }
}

export interface Service {
  name: string
  status: string
}

/** What `req.user` is to this app. */
export interface AppUser {
  id: string
  /** Undefined where PagerDuty's API did not give it at the login. */
  name: string | undefined
}

/** The user of a login, with the name for the header of every page. It is requested once, and kept with the grant. */
export async function appUser({ user, fetch }: Login): Promise<AppUser> {
  const response = await fetch('/users/me', { signal: AbortSignal.timeout(3_000) })
    .then(async (answer) => (answer.ok ? ((await answer.json()) as { user: Profile }) : undefined))
    .catch(() => undefined) // The login does not fail for want of a name.
  return { id: user.id, name: response?.user.name }
}

/** More for the home page. The page does not fail for want of it, while the login lasts. */
export async function getProfile({ pagerduty }: Request): Promise<Answer<Profile>> {
  try {
    const answer = await get<{ user: Profile }>(pagerduty, '/users/me')
    return 'data' in answer ? { data: answer.data.user } : answer
  } catch (error) {
    if (error instanceof LoginRequiredError || !(error instanceof PagerDutyOAuthError)) throw error
    return { problem: 'PagerDuty did not give a new token just now. Try again in a minute.' }
  }
}

export async function listIncidents({ pagerduty }: Request): Promise<Answer<Incident[]>> {
  const answer = await get<{ incidents: Incident[] }>(
    pagerduty,
    '/incidents?limit=50&sort_by=created_at:desc',
  )
  if ('problem' in answer) return answer
  const { incidents } = answer.data
  return {
    data: incidents.toSorted((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at)),
  }
}

export async function listServices({ pagerduty }: Request): Promise<Answer<Service[]>> {
  const answer = await get<{ services: Service[] }>(pagerduty, '/services?limit=50')
  return 'problem' in answer ? answer : { data: answer.data.services }
}

/** Rethrows errors of the package for `pd.errors()`, which knows how to respond. */
async function get<Body>(pagerduty: Request['pagerduty'], path: string): Promise<Answer<Body>> {
  try {
    const answer = await pagerduty.fetch(path, { signal: AbortSignal.timeout(5_000) })
    if (answer.ok) return { data: (await answer.json()) as Body }
    await answer.body?.cancel()
    return { problem: problemOf(answer.status) }
  } catch (error) {
    if (error instanceof PagerDutyOAuthError) throw error
    return { problem: 'PagerDuty’s API could not be reached just now.' }
  }
}

function problemOf(status: number): string {
  if (status === 403) return 'PagerDuty’s API denied this (403): the grant or your role does not cover it.'
  if (status === 429) return 'PagerDuty’s API asks to slow down (429). Try again in a minute.'
  return `PagerDuty’s API responded with ${status}. Try again in a minute.`
}
