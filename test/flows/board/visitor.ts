// What the tests of the board need: its environment, and users with browsers.
import { EventEmitter, once } from 'node:events'
import { get } from 'node:http'
import { approve } from '../../../src/testing'
import { Browser } from '../../support/browser'

const publicURL = 'http://localhost:3000'
export const env = {
  BOARD_URL: publicURL,
  BOARD_PEOPLE: 'ada=first+password&ben=second+password',
  BOARD_ADMIN: 'ada',
  ACME_CLIENT_ID: 'at-acme',
  ACME_CLIENT_SECRET: 'secret-of-acme',
  ACME_WEBHOOK_SECRET: 'secret-of-the-subscription-of-acme',
  GLOBEX_CLIENT_ID: 'at-globex',
  GLOBEX_CLIENT_SECRET: 'secret-of-globex',
  GLOBEX_WEBHOOK_SECRET: 'secret-of-the-subscription-of-globex',
}

/** Says where a page of the board is at one of the processes: a proxy would choose. */
const at = (url: string, path: string) => new URL(path, publicURL).href.replace(publicURL, url)

/** Someone of the team with a browser. */
export class Visitor extends Browser {
  userAgent = 'Firefox'
  readonly #urls: readonly [string, string]
  readonly #pagerduty: string

  /** @param urls of the processes; the first is the one that a visitor comes to */
  constructor(urls: readonly [string, string], pagerduty: string) {
    super()
    this.#urls = urls
    this.#pagerduty = pagerduty
  }

  override visit(url: string): Promise<Response> {
    return super.visit(url, { 'User-Agent': this.userAgent })
  }

  /** Logs in with a password, and returns where that leads. */
  async logIn(person = 'ada', password = person === 'ada' ? 'first password' : 'second password') {
    const answer = await this.post('/login', new URLSearchParams({ id: person, password }))
    return answer.headers.get('location')
  }

  /** Presses a button of a page. */
  post(path: string, values = new URLSearchParams(), url = this.#urls[0]) {
    const headers = {
      ...Browser.navigation,
      'Sec-Fetch-Site': 'same-origin',
      'Content-Type': 'application/x-www-form-urlencoded',
      Referer: publicURL + path.replace(/(.)\/.*/, '$1'),
    }
    return this.fetch(at(url, path), { method: 'POST', headers, body: values.toString() })
  }

  /** Goes to a page, consents wherever PagerDuty requires it, and returns the page where that ends. */
  async open(path: string, user = 'PACME01', url = this.#urls[0]): Promise<Response & { path: string }> {
    for (let next = path, hops = 0; hops < 10; hops++) {
      const answer = await this.visit(at(url, next))
      const location = answer.headers.get('location')
      if (location === null) return Object.assign(answer, { path: new URL(next, publicURL).pathname })
      next = location.startsWith(this.#pagerduty) ? await approve(location, { user }) : location
    }
    throw new Error('It goes round and round')
  }

  async text(path: string, url = this.#urls[0]): Promise<string> {
    return (await this.visit(at(url, path))).text()
  }
}

/** Server-sent events of a page that is open. */
export async function listen(visitor: Visitor, account: string, url: string) {
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const events = new EventEmitter()
  const request = get(`${url}/${account}/events`, { agent: false, headers: { cookie } }, (answer) => {
    events.emit('open', answer.statusCode)
    answer.setEncoding('utf8').on('data', (chunk: string) => events.emit('message', chunk))
    answer.on('end', () => events.emit('end'))
  })
  const [status] = (await once(events, 'open')) as [number]
  if (status !== 200) throw new Error(`The events were answered with ${status}`)
  return { events, stop: () => request.destroy() }
}
