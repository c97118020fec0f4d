/** Reads what a Redis client sends (RESP, of one connection, in chunks as they come) and counts the commands. */
export class CommandCounter {
  /** How often each command was sent, by its name in capitals. */
  readonly commands = new Map<string, number>()
  #rest: Buffer = Buffer.alloc(0)

  get total(): number {
    return [...this.commands.values()].reduce((sum, count) => sum + count, 0)
  }

  add(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    for (;;) {
      const end = this.#count(data, at)
      if (end === undefined) break
      at = end
    }
    this.#rest = data.subarray(at)
  }

  reset(): void {
    this.commands.clear()
  }

  /** Where the command that begins here ends; undefined if it has not come to its end. */
  #count(data: Buffer, start: number): number | undefined {
    const head = line(data, start)
    if (head === undefined) return undefined
    if (!head.text.startsWith('*')) return this.#named(head.text.split(' ')[0] ?? '', head.end) // inline
    let at = head.end
    let name = ''
    for (let left = Number(head.text.slice(1)); left > 0; left--) {
      const size = line(data, at)
      if (size === undefined) return undefined
      const end = size.end + Number(size.text.slice(1))
      if (data.length < end + 2) return undefined
      name ||= data.toString('latin1', size.end, end)
      at = end + 2
    }
    return this.#named(name, at)
  }

  #named(name: string, end: number): number {
    const known = name.toUpperCase()
    this.commands.set(known, (this.commands.get(known) ?? 0) + 1)
    return end
  }
}

function line(data: Buffer, start: number): { text: string; end: number } | undefined {
  const end = data.indexOf('\r\n', start)
  return end === -1 ? undefined : { text: data.toString('latin1', start, end), end: end + 2 }
}
