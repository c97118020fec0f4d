/** What can happen to a refresh on its way to the token endpoint and back, and to its sender meanwhile. */
export const exchangeFaults = [
  '500',
  '503 with Retry-After',
  '429',
  '429 with Retry-After',
  'invalid_client',
  'lost before it took effect',
  'lost after it took effect',
  'answered after 12 s',
  'answered after 30 s',
  'answered after 55 s',
  'arrives after 30 s',
  'never answered',
  'sender frozen',
  'sender crashed',
] as const
export type ExchangeFault = (typeof exchangeFaults)[number]

/** What can happen to a command of the store, and to its sender before the reply. */
export const storeFaults = [
  'refused',
  'reply lost',
  'takes effect after it was given up',
  'slow',
  'sender frozen',
  'sender frozen',
  'sender crashed',
] as const
export type StoreFault = (typeof storeFaults)[number]
export type Verb = 'get' | 'create' | 'replace' | 'delete'

const failures: readonly string[] = ['refused', 'reply lost', 'takes effect after it was given up']

/** Whether the sender learns that the store did not respond. */
export function isFailure(fault: StoreFault): boolean {
  return failures.includes(fault)
}

export type Kind = 'grant' | 'lock' | 'pause'

/** Where it can happen. What stands here more than once happens there more often. */
export const storePlaces: readonly (readonly [Verb, Kind])[] = [
  ['replace', 'grant'],
  ['replace', 'grant'],
  ['replace', 'grant'],
  ['delete', 'grant'],
  ['get', 'grant'],
  ['create', 'lock'],
  ['replace', 'lock'],
  ['replace', 'lock'],
  ['delete', 'lock'],
  ['create', 'pause'],
  ['get', 'pause'],
]

interface PlannedStoreFault {
  readonly fault: StoreFault
  readonly verb: Verb
  readonly kind: Kind
}

/** The faults that are to happen, each to the next that it fits. */
export class Faults {
  #exchanges: ExchangeFault[] = []
  #commands: PlannedStoreFault[] = []
  #outages: { process: string | undefined; until: number }[] = []

  planExchange(fault: ExchangeFault, times: number): void {
    for (let i = 0; i < times; i++) this.#exchanges.push(fault)
  }

  planCommand(planned: PlannedStoreFault, times: number): void {
    for (let i = 0; i < times; i++) this.#commands.push(planned)
  }

  /** The store rejects everything for a while, to one process or to all. */
  planOutage(process: string | undefined, until: number): void {
    this.#outages.push({ process, until })
  }

  takeExchange(): ExchangeFault | undefined {
    return this.#exchanges.shift()
  }

  takeCommand(process: string, now: number, verb: Verb, key: string): StoreFault | undefined {
    const isCutOff = this.#outages.some((at) => at.until > now && (at.process ?? process) === process)
    if (isCutOff) return 'refused'
    const index = this.#commands.findIndex((at) => at.verb === verb && key.startsWith(`${at.kind}:`))
    return index === -1 ? undefined : this.#commands.splice(index, 1)[0]?.fault
  }

  clear(): void {
    this.#exchanges = []
    this.#commands = []
    this.#outages = []
  }
}
