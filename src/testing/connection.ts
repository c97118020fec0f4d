import type { RegisteredClient } from './clients'

/** The options of this package that point a client at the simulator. */
export interface SimulatorConnection {
  clientID: string
  clientSecret?: string | undefined
  appType: 'scoped' | 'classic'
  identityURL: string
  apiURL: string
  mcpURL: string
}

/** @internal */
export function registered(clients: Map<string, RegisteredClient>, clientID: string): RegisteredClient {
  const client = clients.get(clientID)
  if (!client)
    throw new TypeError(`"${clientID}" is no client of this simulator: register it in the option "clients"`)
  return client
}

/** @internal */
export function connectionOf(
  { clientID, clientSecret, appType }: RegisteredClient,
  url: string,
): SimulatorConnection {
  const secret = clientSecret !== undefined && { clientSecret }
  return { clientID, ...secret, appType, identityURL: url, apiURL: url, mcpURL: url }
}

const webhookSecret = 'simulator-webhook-secret'

/** @internal */
export function environmentOf({
  clientID,
  clientSecret,
  appType,
  identityURL,
  apiURL,
  mcpURL,
}: SimulatorConnection): Record<string, string> {
  return {
    PAGERDUTY_CLIENT_ID: clientID,
    ...(clientSecret !== undefined && { PAGERDUTY_CLIENT_SECRET: clientSecret }),
    PAGERDUTY_APP_TYPE: appType,
    PAGERDUTY_IDENTITY_URL: identityURL,
    PAGERDUTY_API_URL: apiURL,
    PAGERDUTY_MCP_URL: mcpURL,
    PAGERDUTY_WEBHOOK_SECRET: webhookSecret,
  }
}
