import type { TokenStore } from '../../src'
import { type TokenStoreTestOptions, testTokenStore } from '../../src/testing'

/** A store over a map that is right in everything; each of the broken ones changes one thing. */
class RightStore implements TokenStore {
  protected readonly held = new Map<string, { value: string; endsAt: number }>()

  async get(key: string): Promise<string | undefined> {
    return this.live(key)?.value
  }

  async create(key: string, value: string, ttl: number): Promise<boolean> {
    if (this.live(key) !== undefined) return false
    this.held.set(this.nameOf(key), { value: this.kept(value), endsAt: this.endOf(ttl) })
    return true
  }

  async replace(key: string, expected: string, value: string, ttl?: number): Promise<boolean> {
    const held = this.live(key)
    if (held === undefined || !this.isSame(held.value, expected)) return false
    held.value = this.kept(value)
    if (ttl !== undefined) held.endsAt = this.endOf(ttl)
    return true
  }

  async delete(key: string, expected?: string): Promise<boolean> {
    const held = this.live(key)
    if (held === undefined || (expected !== undefined && !this.isSame(held.value, expected))) return false
    return this.held.delete(this.nameOf(key))
  }

  /** What is there, unless its lifetime is over. */
  protected live(key: string) {
    const held = this.any(key)
    return held !== undefined && held.endsAt > performance.now() ? held : undefined
  }

  protected any(key: string) {
    return this.held.get(this.nameOf(key))
  }

  protected nameOf(key: string): string {
    return key
  }

  protected kept(value: string): string {
    return value
  }

  protected isSame(value: string, expected: string): boolean {
    return value === expected
  }

  protected endOf(ttl: number): number {
    return performance.now() + ttl
  }
}

const later = () => new Promise((resolve) => setImmediate(resolve))

/** How stores are broken, and what the battery says about it. */
const broken: [string, new () => TokenStore, RegExp][] = [
  [
    'replace() revives an expired value',
    class extends RightStore {
      override async replace(key: string, expected: string, value: string, ttl?: number) {
        const held = this.any(key)
        if (held?.value !== expected) return false
        Object.assign(held, { value, ...(ttl !== undefined && { endsAt: this.endOf(ttl) }) })
        return true
      }
    },
    /replace\(\) must not revive an expired value/,
  ],
  [
    'delete() gives true for an expired value',
    class extends RightStore {
      override async delete(key: string, expected?: string) {
        const held = this.any(key)
        return (expected === undefined || held?.value === expected) && this.held.delete(key)
      }
    },
    /delete\(\) of an expired value must give false/,
  ],
  [
    'delete() with an expected value gives true for an expired one',
    class extends RightStore {
      override async delete(key: string, expected?: string) {
        const held = expected === undefined ? this.live(key) : this.any(key)
        if (expected !== undefined && held?.value !== expected) return false
        return held !== undefined && this.held.delete(key)
      }
    },
    /delete\(\) of an expired value must give false/,
  ],
  [
    'an expired value blocks its key until it is swept',
    class extends RightStore {
      override async create(key: string, value: string, ttl: number) {
        return this.any(key) === undefined && super.create(key, value, ttl)
      }
    },
    /the key of an expired value must be free/,
  ],
  [
    'keys are compared without case',
    class extends RightStore {
      override nameOf(key: string) {
        return key.toLowerCase()
      }
    },
    /two keys that differ in case must be two/,
  ],
  [
    'values are compared without case',
    class extends RightStore {
      override isSame(value: string, expected: string) {
        return value.toLowerCase() === expected.toLowerCase()
      }
    },
    /two values that differ in case must be two/,
  ],
  [
    'values are compared without accents',
    class extends RightStore {
      override isSame(value: string, expected: string) {
        return value.localeCompare(expected, 'en', { sensitivity: 'base' }) === 0
      }
    },
    /two values that differ in (case|an accent) must be two/,
  ],
  [
    'values are normalized',
    class extends RightStore {
      override kept(value: string) {
        return value.normalize()
      }
    },
    /the form of an accent included/,
  ],
  [
    'lifetimes are 32-bit integers',
    class extends RightStore {
      override endOf(ttl: number) {
        return performance.now() + (ttl | 0)
      }
    },
    /a ttl must not be cut to 32 bits/,
  ],
  [
    'lifetimes are unsigned 32-bit integers',
    class extends RightStore {
      override endOf(ttl: number) {
        return performance.now() + (ttl >>> 0)
      }
    },
    /a ttl must not be cut to 32 bits/,
  ],
  [
    'a timer deletes values, and Node cuts its delay',
    class extends RightStore {
      override async create(key: string, value: string, ttl: number) {
        const isCreated = await super.create(key, value, ttl)
        // As setTimeout does.
        if (isCreated && ttl > 2 ** 31 - 1) setTimeout(() => this.held.delete(key), 1)
        return isCreated
      }
    },
    /a ttl must not be cut to 32 bits/,
  ],
  [
    'keys are cut at 64 characters',
    class extends RightStore {
      override nameOf(key: string) {
        return key.slice(0, 64)
      }
    },
    /two keys that differ in the last of 65 characters must be two/,
  ],
  [
    'keys are cut at 255 characters',
    class extends RightStore {
      override nameOf(key: string) {
        return key.slice(0, 255)
      }
    },
    /two keys that differ in the last of 300 characters must be two/,
  ],
  [
    'trailing spaces of keys are trimmed',
    class extends RightStore {
      override nameOf(key: string) {
        return key.trimEnd()
      }
    },
    /two keys that differ in trailing spaces must be two/,
  ],
  [
    'trailing spaces of values are trimmed',
    class extends RightStore {
      override kept(value: string) {
        return value.trimEnd()
      }
    },
    /a trailing space included/,
  ],
  [
    'values are compared without trailing spaces',
    class extends RightStore {
      override isSame(value: string, expected: string) {
        return value.trimEnd() === expected.trimEnd()
      }
    },
    /two values that differ in a trailing space must be two/,
  ],
  [
    'lifetimes are whole seconds, rounded up',
    class extends RightStore {
      override endOf(ttl: number) {
        return performance.now() + Math.ceil(ttl / 1000) * 1000
      }
    },
    /do not round it up to seconds/,
  ],
  [
    'lifetimes are whole seconds, rounded down',
    class extends RightStore {
      override endOf(ttl: number) {
        return performance.now() + Math.floor(ttl / 1000) * 1000
      }
    },
    /do not cut it to seconds/,
  ],
  [
    'lifetimes are seconds',
    class extends RightStore {
      override endOf(ttl: number) {
        return performance.now() + ttl * 1000
      }
    },
    /a value must end with its lifetime/,
  ],
  [
    'nothing ends',
    class extends RightStore {
      override endOf() {
        return Infinity
      }
    },
    /a value must end with its lifetime/,
  ],
  [
    'get() does not look at the lifetime',
    class extends RightStore {
      override async get(key: string) {
        return this.any(key)?.value
      }
    },
    /a value must end with its lifetime/,
  ],
  [
    'create() overwrites',
    class extends RightStore {
      override async create(key: string, value: string, ttl: number) {
        this.held.delete(key)
        return super.create(key, value, ttl)
      }
    },
    /create\(\) of a taken key must give false/,
  ],
  [
    'create() looks first and writes later',
    class extends RightStore {
      override async create(key: string, value: string, ttl: number) {
        if ((await this.get(key)) !== undefined) return false
        await later()
        this.held.set(key, { value, endsAt: this.endOf(ttl) })
        return true
      }
    },
    /create\(\) is not atomic/,
  ],
  [
    'replace() looks first and writes later',
    class extends RightStore {
      override async replace(key: string, expected: string, value: string, ttl?: number) {
        const held = this.live(key)
        if (held?.value !== expected) return false
        await later()
        Object.assign(held, { value, ...(ttl !== undefined && { endsAt: this.endOf(ttl) }) })
        return true
      }
    },
    /replace\(\) is not atomic/,
  ],
  [
    'delete() looks first and deletes later',
    class extends RightStore {
      override async delete(key: string, expected?: string) {
        const held = this.live(key)
        if (held === undefined || (expected !== undefined && held.value !== expected)) return false
        await later()
        this.held.delete(key)
        return true
      }
    },
    /replace\(\) and delete\(\) are not atomic/,
  ],
  [
    'replace() does not compare',
    class extends RightStore {
      override replace(key: string, _expected: string, value: string, ttl?: number) {
        return super.replace(key, this.any(key)?.value ?? '', value, ttl)
      }
    },
    /replace\(\) must give false where another value/,
  ],
  [
    'replace() creates what is not there',
    class extends RightStore {
      override async replace(key: string, expected: string, value: string, ttl = 60_000) {
        return this.live(key) === undefined
          ? this.create(key, value, ttl)
          : super.replace(key, expected, value, ttl)
      }
    },
    /replace\(\) must create nothing/,
  ],
  [
    'replace() gives false where the value stays the same, as a count of changed rows does',
    class extends RightStore {
      override async replace(key: string, expected: string, value: string, ttl?: number) {
        return (await super.replace(key, expected, value, ttl)) && expected !== value
      }
    },
    /replace\(\) by the same value must give true/,
  ],
  [
    'replace() without a ttl takes the end away',
    class extends RightStore {
      override replace(key: string, expected: string, value: string, ttl = 9e9) {
        return super.replace(key, expected, value, ttl)
      }
    },
    /replace\(\) without a ttl must leave the end of the lifetime/,
  ],
  [
    'replace() ignores the ttl',
    class extends RightStore {
      override replace(key: string, expected: string, value: string) {
        return super.replace(key, expected, value)
      }
    },
    /replace\(\) with a ttl must begin that lifetime/,
  ],
  [
    'delete() does not compare',
    class extends RightStore {
      override delete(key: string) {
        return super.delete(key)
      }
    },
    /delete\(\) must spare another value/,
  ],
  [
    'delete() always gives true',
    class extends RightStore {
      override async delete(key: string, expected?: string) {
        await super.delete(key, expected)
        return true
      }
    },
    /delete\(\) must spare another value|delete\(\) must give false/,
  ],
  [
    'delete() deletes nothing',
    class extends RightStore {
      override async delete(key: string, expected?: string) {
        const held = this.live(key)
        return held !== undefined && (expected === undefined || held.value === expected)
      }
    },
    /a deleted value must be gone|delete\(\) must give false/,
  ],
  [
    'get() gives null where there is nothing',
    class extends RightStore {
      override async get(key: string) {
        return (await super.get(key)) ?? (null as unknown as undefined)
      }
    },
    /get\(\) must give undefined where there is nothing/,
  ],
  [
    'values are Latin-1',
    class extends RightStore {
      override kept(value: string) {
        return Buffer.from(value, 'latin1').toString('latin1')
      }
    },
    /a value must come back unchanged/,
  ],
  [
    'values are cut at 64 KB',
    class extends RightStore {
      override kept(value: string) {
        return value.slice(0, 65_535)
      }
    },
    /a value must come back unchanged/,
  ],
]

/** A store that has what is optional, too. */
class FullStore extends RightStore {
  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return keys.map((key) => this.live(key)?.value)
  }
}

const brokenMany: [string, new () => TokenStore, RegExp][] = [
  [
    'getMany() gives the values in an order of its own',
    class extends FullStore {
      override getMany(keys: readonly string[]) {
        return super.getMany([...keys].sort())
      }
    },
    /one value per key, in their order/,
  ],
  [
    'getMany() leaves out what is not there',
    class extends FullStore {
      override async getMany(keys: readonly string[]) {
        return (await super.getMany(keys)).filter((value) => value !== undefined)
      }
    },
    /one value per key, in their order/,
  ],
  [
    'getMany() gives a value once where its key is asked for twice',
    class extends FullStore {
      override getMany(keys: readonly string[]) {
        return super.getMany([...new Set(keys)])
      }
    },
    /one value per key, in their order/,
  ],
  [
    'getMany() gives null where there is nothing',
    class extends FullStore {
      override async getMany(keys: readonly string[]) {
        return (await super.getMany(keys)).map((value) => value ?? (null as unknown as undefined))
      }
    },
    /undefined where there is none/,
  ],
  [
    'getMany() needs at least one key',
    class extends FullStore {
      override async getMany(keys: readonly string[]) {
        return keys.length === 0 ? [undefined] : super.getMany(keys)
      }
    },
    /getMany\(\) of no keys must give an empty list/,
  ],
  [
    'getMany() splits its keys at commas',
    class extends FullStore {
      override getMany(keys: readonly string[]) {
        return super.getMany(keys.map((key) => key.split(',')[0] as string))
      }
    },
    /getMany\(\) must take any key/,
  ],
  [
    'getMany() does not look at the lifetime',
    class extends FullStore {
      override async getMany(keys: readonly string[]) {
        return keys.map((key) => this.any(key)?.value)
      }
    },
    /getMany\(\) must treat an expired value as none/,
  ],
]

/** An instance beside another, which sees what the other has by way of a cache of its own. */
class CachingStore extends RightStore {
  readonly #cache = new Map<string, string | undefined>()

  constructor(store: RightStore) {
    super()
    Object.assign(this, { held: (store as CachingStore).held })
  }

  override async get(key: string) {
    if (!this.#cache.has(key)) this.#cache.set(key, await super.get(key))
    return this.#cache.get(key)
  }
}

/** An instance beside another, whose locks are those of its own process. */
class LateStore extends CachingStore {
  override async create(key: string, value: string, ttl: number) {
    if (this.live(key) !== undefined) return false
    await later()
    this.held.set(key, { value, endsAt: this.endOf(ttl) })
    return true
  }

  override async replace(key: string, expected: string, value: string, ttl?: number) {
    const isExpected = this.live(key)?.value === expected
    await later()
    return isExpected && super.replace(key, this.live(key)?.value ?? '', value, ttl)
  }

  override async delete(key: string, expected?: string) {
    const isExpected = expected === undefined || this.live(key)?.value === expected
    await later()
    return isExpected && super.delete(key)
  }
}

class SharedStore extends RightStore {
  constructor(store: RightStore) {
    super()
    Object.assign(this, { held: (store as SharedStore).held })
  }
}

/** Loses its connection, and does something else than to reject. */
function failing(outcome: () => Promise<never>) {
  return class extends FullStore {
    isConnected = true

    protected override live(key: string) {
      if (!this.isConnected) throw new Error('not connected')
      return super.live(key)
    }

    override async delete(key: string, expected?: string) {
      return this.isConnected ? super.delete(key, expected) : outcome()
    }
  }
}

/** Runs the battery, and gives the messages of what failed. */
async function failuresOf<Store extends TokenStore>(
  make: () => Store,
  options: TokenStoreTestOptions<Store> = {},
): Promise<string[]> {
  const runs: Promise<string>[] = []
  testTokenStore(make, {
    ...options,
    test: (_name, run) =>
      runs.push(
        run().then(
          () => '',
          ({ message }: Error) => message,
        ),
      ),
  })
  return (await Promise.all(runs)).filter(Boolean)
}

test('a store that keeps the contract passes', async () => {
  expect(await failuresOf(() => new RightStore())).toEqual([])
})

test('a store that has what is optional passes, beside another instance and without connection', async () => {
  const Store = failing(() => Promise.reject(new Error('not connected')))
  const options: TokenStoreTestOptions<InstanceType<typeof Store>> = {
    another: (store) => new SharedStore(store),
    disconnect: (store) => (store.isConnected = false),
  }
  expect(await failuresOf(() => new Store(), options)).toEqual([])
})

test.each([
  ['is seen late', CachingStore, /seen by another at once/],
  ['is created by both', LateStore, /create\(\) is not atomic between instances/],
  ['is replaced by both', LateStore, /replace\(\) and delete\(\) are not atomic between instances/],
])('the battery catches what %s of two instances, and says so', async (_what, Store, message) => {
  const failures = await failuresOf(() => new Store(new RightStore()), {
    another: (store) => new Store(store),
  })
  expect(failures.filter((failure) => message.test(failure))).not.toEqual([])
})

test.each([
  ['resolves', async () => false as never, /delete\(\) resolved with false/],
  ['never settles', () => new Promise<never>(() => {}), /delete\(\) was not over in time/],
])('the battery catches a store that %s without connection', async (_what, outcome, message) => {
  const Store = failing(outcome)
  const failures = await failuresOf(() => new Store(), { disconnect: (store) => (store.isConnected = false) })
  expect(failures).toEqual([expect.stringMatching(message)])
})

test.concurrent.each([...broken, ...brokenMany])(
  'the battery catches that %s, and says so',
  async (_what, Store, message) => {
    const failures = await failuresOf(() => new Store())
    expect(failures.filter((failure) => message.test(failure))).not.toEqual([])
  },
)
