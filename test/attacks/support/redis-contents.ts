import { once } from 'node:events'
import { connect } from 'node:net'
import type { Redis } from 'ioredis'

/** Every key with its value and its type, as a thief of the database reads them. */
export async function everythingIn(redis: Redis | undefined): Promise<string[]> {
  if (redis === undefined) return []
  const keys = await redis.keys('*')
  return Promise.all(keys.map(async (key) => `${key} ${JSON.stringify(await valueOf(redis, key))}`))
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'string') return redis.get(key)
  if (type === 'hash') return redis.hgetall(key)
  if (type === 'list') return redis.lrange(key, 0, -1)
  if (type === 'set') return redis.smembers(key)
  return redis.call('DUMP', key)
}

/** What every client sends to a server from now on, as MONITOR shows it. */
export async function watchCommands(port: number): Promise<{ seen: string[]; close: () => void }> {
  const seen: string[] = []
  const socket = connect(port, '127.0.0.1')
  socket.write('MONITOR\r\n')
  await once(socket, 'data')
  socket.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
  socket.on('error', () => {}) // The server is gone.
  return { seen, close: () => socket.destroy() }
}
