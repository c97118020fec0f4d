import { deserialize, serialize } from 'node:v8'
import type { Identity } from './certificate'
import type { Parts } from './parts'
import type { AccountData } from './sample-data'
import type { Records } from './tokens'

/** What survives a restart: codes and tokens, the data of the REST API, and the certificate, if it has ever needed one. */
export interface State {
  records: Records
  data: ReadonlyMap<string, AccountData>
  identity?: Identity | undefined
}

const format = 'passport-pagerduty simulator 1'

export function saveState({ grants, data }: Parts, identity: Identity | undefined): Uint8Array {
  return serialize({ format, records: grants.records, data, identity })
}

/** @throws {TypeError} it is not what `saveState` returned */
export function readState(saved: Uint8Array): State {
  let state: (State & { format?: unknown }) | undefined
  try {
    state = deserialize(saved) as typeof state
  } catch {}
  if (state?.format === format) return state
  throw new TypeError('That is not the state of a simulator of this version')
}
