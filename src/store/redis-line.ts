/** How to speak over a client, and how to get it to speak again: what differs between the two families. */
export interface RedisLine {
  /** A command would be written at once. */
  readonly isReady: boolean
  /** The user has closed the client, and may have meant it. */
  readonly isClosed: boolean
  send(command: string, args: readonly string[]): Promise<unknown>
  /** Called now and then while somebody waits for a connection: sees to it that one is being made. */
  hurry(): void
  /** Asks for a sign of life, and lets go of a connection over which none comes within `grace` milliseconds. */
  probe(grace: number): Promise<void>
  /** Leaves a server that has been demoted. */
  leave(): void
  /** Closes what was opened beside the user's connection. */
  close(): void
}

/** Milliseconds that the making of a connection may stand still. */
export const patience = 1_000
