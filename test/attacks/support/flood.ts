import { Redis } from 'ioredis'

/** Does something many times over, some of them at once. */
export async function flood(
  times: number,
  act: (position: number) => Promise<unknown>,
  atOnce = 20,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < times) await act(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** All keys in Redis, each with the milliseconds it has left. */
export async function keysOf({ url }: { url: string }): Promise<{ key: string; ttl: number }[]> {
  const redis = new Redis(url)
  const keys = await redis.keys('*')
  const found = await Promise.all(keys.map(async (key) => ({ key, ttl: await redis.pttl(key) })))
  await redis.quit()
  return found
}
