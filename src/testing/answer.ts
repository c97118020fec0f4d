import type { Response } from 'express'
import { answerInstead, takesEffect } from './faults'
import type { Fault, FaultAnswer, Target } from './faults'
import { Refusal } from './wire'
import type { Reply } from './wire'

/** Does the work, waits, and sends what came of it, unless a fault comes between. */
export async function answer(
  res: Response,
  work: () => Reply | Promise<Reply>,
  { target, fault, latency }: { target: Target; fault: Fault | undefined; latency: number },
): Promise<void> {
  const instead = answerInstead(fault, target)
  const reply = takesEffect(fault, instead) ? await attempt(work) : undefined
  if (latency > 0) await pause(latency)

  if (fault === 'stall' || fault === 'stall-after') return
  if (fault === 'reset' || fault === 'reset-after') res.socket?.resetAndDestroy()
  else if (instead) send(res, asReply(instead))
  else if (reply && fault === 'half') sendHalf(res, reply)
  else if (reply) send(res, reply)
}

export async function attempt(work: () => Reply | Promise<Reply>): Promise<Reply> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal) return error.reply
    throw error
  }
}

function asReply({ status, headers, body = '', retryAfter }: FaultAnswer): Reply {
  return {
    status,
    headers: { ...headers, ...(retryAfter !== undefined && { 'Retry-After': `${retryAfter}` }) },
    body,
  }
}

export function send(res: Response, { status, headers, body }: Reply): void {
  res.status(status).set({ 'Cache-Control': 'no-store', ...headers })
  // Without a body, there is no content type either.
  if (body === '') res.end()
  else if (typeof body === 'string') res.send(body)
  else res.json(body)
}

function sendHalf(res: Response, { status, body }: Reply): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  res.write(text.slice(0, text.length / 2), () => res.destroy())
}

// Does not keep the process alive: its server does while the simulator listens, and after close() no one waits for the response.
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}
