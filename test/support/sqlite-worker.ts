import { SQLiteTokenStore, TokenStoreError } from '../../src'
import { rawConnection } from './sqlite'

/** One process of an app over a SQLite file. */
type Order = { do: 'open' } | { do: 'contest'; keys: number } | { do: 'fill' } | { do: 'hold'; sql: string }

const file = process.argv[2] as string
let store: SQLiteTokenStore

/** Writes until the disk is full: what was stored, and what the store then said. */
async function fill(): Promise<object> {
  const value = 'x'.repeat(4_000)
  for (let i = 0; ; i++) {
    const failure = await store.create(`grant:${i}`, value, 60_000).catch((error: unknown) => error)
    if (failure === true) continue
    const isStoreError = failure instanceof TokenStoreError
    const kept = await store.getMany(Array.from({ length: i + 1 }, (_, n) => `grant:${n}`))
    return { isStoreError, message: (failure as Error).message, stored: i, kept: kept.filter(Boolean).length }
  }
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'open':
      try {
        store = new SQLiteTokenStore(file)
        return 'open'
      } catch (error) {
        return (error as Error).message
      }
    case 'contest': {
      const keys = Array.from({ length: order.keys }, (_, i) => `lock:${i}`)
      const won = await Promise.all(keys.map((key) => store.create(key, String(process.pid), 60_000)))
      return keys.filter((_, i) => won[i])
    }
    case 'fill':
      return fill()
    case 'hold':
      rawConnection(file).exec(order.sql)
      return 'held'
  }
}

// A limit of the file size is a full disk, as long as its signal does not end the process.
process.on('SIGXFSZ', () => {})
process.on('message', (order: Order) => {
  void obey(order).then((outcome) => process.send?.(outcome))
})
process.send?.('here')
