/** The values of all of them, or the first failure; either way none of them runs on. */
export async function settledValues<T extends readonly unknown[]>(
  ...work: { readonly [At in keyof T]: Promise<T[At]> }
): Promise<T> {
  const results = await Promise.allSettled(work)
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return Promise.all(work) as unknown as Promise<T>
}
