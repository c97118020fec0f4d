import type { Fault, Simulator } from '../testing'

/** Failures to choose from, in the words of the page. */
export const faults = {
  '503': '503',
  '429': '429, Retry-After: 1',
  '500': '500',
  invalid_grant: 'invalid_grant',
  invalid_client: 'invalid_client',
  reset: 'connection reset',
  'reset-after': 'done, but the response is lost',
  stall: 'silence',
  half: 'half a response',
  html: 'a proxy’s 502 page',
} as const satisfies Partial<Record<Fault & string, string>>

/** How a webhook is signed. */
export interface WebhookSigning {
  secret: string
}

/** Performs the action of a button on the control page, and reports it. */
export async function act(
  simulator: Simulator,
  form: URLSearchParams,
  { secret }: WebhookSigning,
): Promise<string> {
  switch (form.get('do')) {
    case 'expire':
      simulator.expireTokens()
      return 'All access tokens have expired; refresh tokens are still valid.'
    case 'revoke':
      simulator.revokeAll()
      return 'All grants are revoked.'
    case 'rotate':
      await simulator.rotateKeys()
      return 'New id_tokens are signed with a new key.'
    case 'reset':
      simulator.resetCalls()
      return 'Calls are counted from zero.'
    case 'fail':
      return fail(simulator, form)
    case 'clear':
      simulator.clearFaults()
      return 'The next calls succeed.'
    case 'latency':
      simulator.settings.tokenLatency = whole(form.get('token'), 120_000)
      simulator.settings.apiLatency = whole(form.get('api'), 120_000)
      return 'Latencies are set.'
    case 'approve':
      simulator.settings.autoApprove = form.get('user') || undefined
      return form.get('user') ? 'Logins are approved at once.' : 'Logins wait for consent.'
    case 'webhook':
      return send(simulator, form, secret)
    default:
      return 'There is no such button.'
  }
}

function fail(simulator: Simulator, form: URLSearchParams): string {
  const fault = form.get('fault') as keyof typeof faults
  if (!Object.hasOwn(faults, fault)) return 'There is no such failure.'
  const times = Math.max(whole(form.get('times'), 100), 1)
  simulator.failNext('token', fault, times)
  return `${times === 1 ? 'The next token call fails' : `The next ${times} token calls fail`}: ${faults[fault]}.`
}

async function send(simulator: Simulator, form: URLSearchParams, secret: string): Promise<string> {
  const event = form.get('event') ?? ''
  try {
    const { status } = await simulator.sendWebhook(form.get('url') ?? '', event, { secret })
    return `${event} got the response ${status}.`
  } catch (error) {
    const { message, cause } = error as Error
    return `${event} was not delivered: ${cause instanceof Error ? cause.message : message}`
  }
}

function whole(value: string | null, most: number): number {
  const number = Math.floor(Number(value))
  return number >= 0 && number <= most ? number : 0
}
