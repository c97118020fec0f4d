import type { ServerResponse } from 'node:http'
import type { Simulator } from '../../../src/testing'
import { type Behaviour, FaultServer, type Received } from '../../support/fault-server'

/** Secrets that must turn up nowhere, and whatever stands for one of them. */
export class Canaries {
  readonly #needles = new Map<string, string>()

  /** What it is, and the secret. */
  note(name: string, value: string): void {
    // A cut secret is one too, and some spellings come in either case.
    for (const form of spellings(value.slice(0, 24))) this.#needles.set(form.toLowerCase(), name)
  }

  /** What stands in a text, in clear or in any usual spelling, and after what. */
  in(text: string): { name: string; after: string }[] {
    const lower = text.toLowerCase()
    const found = new Map<string, string>()
    for (const [needle, name] of this.#needles) {
      const at = lower.indexOf(needle)
      if (at >= 0) found.set(name, lower.slice(Math.max(at - 200, 0), at))
    }
    return [...found].map(([name, after]) => ({ name, after }))
  }
}

function spellings(value: string): string[] {
  const bytes = Buffer.from(value)
  // In the middle of something longer, base64 looks in one of three ways.
  const base64 = [0, 1, 2].flatMap((before) => {
    const [from, to] = [Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)]
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(from, to)
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')]
  })
  const form = new URLSearchParams([['', value]]).toString().slice(1)
  return [
    value,
    encodeURIComponent(value),
    form,
    JSON.stringify(value).slice(1, -1),
    bytes.toString('hex'),
    ...base64,
  ]
}

/** A proxy in front of the simulator that knows every secret which passes it. */
export interface Recorder {
  readonly url: string
  readonly requests: readonly Received[]
  /** Responds to the next requests to a path in the simulator's place. */
  insteadOf(path: string, behave: Behaviour, times?: number): void
  close(): Promise<void>
}

/** Starts one; what passes is noted. */
export async function startRecorder(simulator: Simulator, canaries: Canaries): Promise<Recorder> {
  const server = await FaultServer.start()
  const instead: { path: string; behave: Behaviour }[] = []
  server.behave = async (res, request) => {
    learnFrom(canaries, request)
    const { pathname } = new URL(request.url, server.url)
    const position = instead.findIndex(({ path }) => path === pathname)
    const [other] = position < 0 ? [] : instead.splice(position, 1)
    if (other !== undefined) return other.behave(res, request)
    return forward(simulator, canaries, request, res)
  }
  return {
    url: server.url,
    requests: server.requests,
    insteadOf: (path, behave, times = 1) => {
      for (let i = 0; i < times; i++) instead.push({ path, behave })
    },
    close: () => server.close(),
  }
}

async function forward(
  simulator: Simulator,
  canaries: Canaries,
  request: Received,
  res: ServerResponse,
): Promise<void> {
  const { method, body } = request
  const headers = new Headers()
  for (const name of ['accept', 'authorization', 'content-type']) {
    const value = request.headers[name]
    if (typeof value === 'string') headers.set(name, value)
  }
  try {
    const sent = body === '' ? {} : { body }
    const answer = await fetch(simulator.url + request.url, { method, headers, redirect: 'manual', ...sent })
    const location = answer.headers.get('location')
    if (location !== null) learnFromURL(canaries, location)
    res.statusCode = answer.status
    for (const name of ['content-type', 'location', 'retry-after', 'cache-control']) {
      const value = answer.headers.get(name)
      if (value !== null) res.setHeader(name, value)
    }
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true })
      learnFromAnswer(canaries, text)
      res.write(chunk)
    }
    res.end()
  } catch {
    res.socket?.resetAndDestroy() // As the simulator did.
  }
}

const inForms = ['code', 'code_verifier', 'refresh_token', 'token']

function learnFrom(canaries: Canaries, { url, form }: Received): void {
  learnFromURL(canaries, url)
  for (const name of inForms) {
    const value = form.get(name)
    if (value !== null) canaries.note(name, value)
  }
}

function learnFromURL(canaries: Canaries, url: string): void {
  const { searchParams } = new URL(url, 'http://localhost')
  for (const name of ['code', 'state']) {
    const value = searchParams.get(name)
    if (value !== null && value.length > 20) canaries.note(name, value)
  }
}

function learnFromAnswer(canaries: Canaries, text: string): void {
  for (const [, name = '', value = ''] of text.matchAll(
    /"(access_token|refresh_token|id_token)":"([^"]+)"/g,
  )) {
    canaries.note(name, value)
    if (name === 'id_token') canaries.note('signature of an id_token', value.split('.')[2] ?? '')
  }
}
