import type { Request, Response } from 'express'
import { type Markup, html } from './html'

/** What is sent to pages that are open: a new row of the table, and panels that have changed, by their ids. */
export interface Update {
  row: Markup
  panels?: Record<string, Markup>
}

/** Responds with server-sent events until the page is closed. `follow` subscribes, and returns a function that unsubscribes. */
export function stream(
  req: Request,
  res: Response,
  follow: (send: (update: Update) => void) => () => void,
): void {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  // A comment: Firefox takes a stream for open when its first byte has arrived.
  res.write(': open\n\n')
  const stop = follow(({ row, panels = {} }) => {
    const texts = Object.fromEntries(Object.entries(panels).map(([id, { text }]) => [id, text]))
    res.write(`data: ${JSON.stringify({ row: row.text, panels: texts })}\n\n`)
  })
  req.on('close', stop)
}

/** The table has no row yet; the first one takes its place. */
export function emptyRow(columns: readonly string[], text: string): Markup {
  return html`<tr role="row" id="empty">
    <td role="cell" class="empty" colspan="${columns.length}">${text}</td>
  </tr>`
}

/** Shows what the stream at `path` sends, in the page's table. Without it the page shows things as they were. */
export function live(path: string, nonce: string): Markup {
  return html`<p class="small" id="live">Reload the page to see new rows.</p>
    <script nonce="${nonce}">
      const rows = document.querySelector('.list tbody')
      rows.setAttribute('aria-live', 'polite')
      const note = document.getElementById('live')
      const source = new EventSource('${path}')
      source.onopen = () => (note.textContent = 'New rows appear by themselves.')
      source.onerror = () => (note.textContent = 'The connection is lost. Trying again …')
      source.onmessage = ({ data }) => {
        const { row, panels } = JSON.parse(data)
        document.getElementById('empty')?.remove()
        rows.insertAdjacentHTML('afterbegin', row)
        for (const [id, panel] of Object.entries(panels)) document.getElementById(id).outerHTML = panel
      }
    </script>`
}
