/** A way to break the library, and the test that has to notice. */
export interface Mutation {
  name: string
  file: string
  /** Stands in the file exactly once. */
  old: string
  new: string
  /** Path of a test file, and the name of a test in it. */
  caughtBy: readonly [path: string, test: string]
}

const model = [
  'test/grants/grants-model.test.ts',
  'grants stay whole, unique and dead once they are dead',
] as const
const lock = (name: string) => ['test/store/lease.test.ts', name] as const
const refresh = (name: string) => ['test/grants/token-refresh.test.ts', name] as const
const failures = (name: string) => ['test/grants/refresh-failures.test.ts', name] as const

/** Safeguards of the refresh, each removed once. */
export const mutations: readonly Mutation[] = [
  {
    name: 'no owner check when a lock is released',
    file: 'src/store/lease.ts',
    old: '      await this.#store.delete(this.#key, this.#owner)\n',
    new: '      await this.#store.delete(this.#key)\n',
    caughtBy: lock('a lease that was lost neither renews nor releases the next one'),
  },
  {
    name: 'no owner check when a lock is renewed',
    file: 'src/store/lease.ts',
    old: '      const isMine = await this.#store.replace(this.#key, this.#owner, this.#owner, this.#duration)\n',
    new: "      const held = (await this.#store.get(this.#key)) ?? ''\n      const isMine = await this.#store.replace(this.#key, held, held, this.#duration)\n",
    caughtBy: lock('a lease that was lost neither renews nor releases the next one'),
  },
  {
    name: 'no re-read under the lock',
    file: 'src/grants/token-refresh.ts',
    old: 'await Promise.all([this.#attempt.current(id), this.#breaker.check(id)])',
    new: 'await Promise.all([lease ? seen : this.#attempt.current(id), this.#breaker.check(id)])',
    caughtBy: refresh('a process that gets the lock after another has refreshed uses what that one stored'),
  },
  {
    name: 'no version: a write over whatever is there',
    file: 'src/grants/grant-repository.ts',
    old: '    const isStored = await this.#store.replace(grantKey(grant.id), grant.sealed, sealed, ttl)\n',
    new: "    const there = (await this.#store.get(grantKey(grant.id))) ?? ''\n    const isStored = await this.#store.replace(grantKey(grant.id), there, sealed, ttl)\n",
    caughtBy: model,
  },
  {
    name: 'no version: a write where nothing is any more',
    file: 'src/grants/grant-repository.ts',
    old: '    const isStored = await this.#store.replace(grantKey(grant.id), grant.sealed, sealed, ttl)\n',
    new: '    await this.#store.delete(grantKey(grant.id))\n    const isStored = await this.#store.create(grantKey(grant.id), sealed, ttl ?? 28_800_000)\n',
    caughtBy: refresh('a logout during a refresh wins, and the late tokens are revoked'),
  },
  {
    name: 'no renewal of the lock',
    file: 'src/store/lease.ts',
    old: 'setInterval(() => void this.renew(), duration / 3)',
    new: 'setInterval(() => {}, duration / 3)',
    caughtBy: lock('a lease keeps others out for as long as it is held, well beyond its own length'),
  },
  {
    name: 'the lock not checked before the POST',
    file: 'src/grants/refresh-attempt.ts',
    old: 'if (!(await isSafe(lease))) throw new LeaseLost()',
    new: '',
    caughtBy: refresh('a process that was frozen until its lock ended presents no refresh token'),
  },
  {
    name: 'invalid_client taken for the end of the grant',
    file: 'src/grants/refresh-attempt.ts',
    old: "if (error.error !== 'invalid_grant' || error.isTransient) {",
    new: "if ((error.error !== 'invalid_grant' && error.error !== 'invalid_client') || error.isTransient) {",
    caughtBy: refresh('invalid_client denies access for now and logs no one out'),
  },
  {
    name: 'a logout that does not delete',
    file: 'src/grants/ended-grants.ts',
    old: '        if (await this.#repository.delete(grant.id, grant)) break\n',
    new: '        break\n',
    caughtBy: model,
  },
  {
    name: 'a 401 handled without comparing values',
    file: 'src/grants/grants.ts',
    old: '    const isAnother = stored.record.tokens.accessToken !== rejected\n',
    new: '    const isAnother = false\n',
    caughtBy: model,
  },
  {
    name: 'pauses not shared',
    file: 'src/oauth/open-circuits.ts',
    old: 'const values = await Promise.all(keys.map((key) => this.#store.get(key)))',
    new: 'const values: string[] = []',
    caughtBy: failures('hold for the other processes too, and let callers know when to retry'),
  },
  {
    name: 'an unsaved pair thrown away',
    file: 'src/grants/write-behind.ts',
    old: '      if (!(error instanceof TokenStoreError)) throw error\n',
    new: '      throw error\n',
    caughtBy: failures('is served from memory, without another call, until it is stored'),
  },
  {
    name: 'a refused refresh token ends a login whose access token lives',
    file: 'src/grants/refresh-attempt.ts',
    old: '    if (isRejected || Date.now() >= effectiveExpiry(record.tokens)) return this.#end(current)\n',
    new: '    return this.#end(current)\n',
    caughtBy: failures('logs no one out before the access token ends, and is not sent again'),
  },
  {
    name: 'late tokens of a logged-out grant not revoked',
    file: 'src/grants/write-behind.ts',
    old: '    this.#ended.revoke([revocable(tokens)])\n',
    new: '',
    caughtBy: refresh('a logout during a refresh wins, and the late tokens are revoked'),
  },
]
