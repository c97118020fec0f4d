import { approve } from '../../src/testing'
import { Browser } from '../support/browser'

/** Opens a page of the quick start over HTTP, logs in by its link, looks at the incidents, and returns the page. */
export async function visit(url: string, say: (line: string) => void): Promise<string> {
  const browser = new Browser()
  const tell = (path: string, answer: Response) =>
    say(
      `(browser) ${path}: ${answer.status} ${answer.headers.get('location')?.replace(/\?.*/, '') ?? ''}`.trim(),
    )
  const start = await browser.visit(url)
  tell(url, start)
  const [, link] = /<a href="([^"]*)">Log in</.exec(await start.text()) ?? []
  if (link === undefined) throw new Error('The start page has no link to log in')
  let at = new URL(link, url).href
  while (at.startsWith(url)) {
    const answer = await browser.visit(at)
    tell(at.replace(/\?.*/, ''), answer)
    at = new URL(answer.headers.get('location') ?? 'nowhere:', at).href
  }
  if (!at.startsWith('http')) throw new Error('The app sends nobody to log in')
  const callback = await approve(at, { user: 'PACME01' })
  say('(browser) Ada Okafor is chosen, and allows')
  const finished = await browser.visit(callback)
  tell(callback.replace(/\?.*/, ''), finished)
  const home = await browser.visit(new URL(finished.headers.get('location') ?? 'nowhere:', callback).href)
  const page = await home.text()
  say(`(browser) ${url}: ${home.status} ${page}`)
  const [, list] = /<a href="\/([^"]*)">Incidents</.exec(page) ?? []
  if (list === undefined) throw new Error('The page has no link to the incidents')
  const incidents = await browser.visit(url + list)
  const { incidents: listed } = (await incidents.json()) as { incidents: unknown[] }
  say(`(browser) ${url}${list}: ${incidents.status} ${listed.length} incidents`)
  return page
}
