/** Milliseconds that connecting may take. */
export const connectTimeout = 1_000

/** A duplicate of an app's client with settings of ours. It connects once, and is replaced when that connection is lost. */
export interface RedisDuplicate {
  readonly isReady: boolean
  /** It leads to several nodes, so that one which is silent says nothing about the others. */
  readonly isCluster: boolean
  connect(): Promise<unknown>
  /** @param timeout milliseconds after which it must not be sent any more */
  send(command: string, args: readonly string[], timeout: number): Promise<unknown>
  close(): void
}

/** Gets the errors that a duplicate emits. */
export type OnError = (error: Error) => void

/** A client that emits its errors. */
export type Emitting<T> = T & { on(event: string, listener: (error: Error) => void): unknown }
