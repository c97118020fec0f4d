import fc from 'fast-check'
import { ownURL, sameOriginPath } from '../../src/http/request-url'
import { describeWithChromium, startChromium } from '../support/chromium'
import { runs } from './runs'

const app = 'https://app.example'
const bases = [
  app,
  `${app}/auth/pagerduty/callback?code=x`,
  'http://127.0.0.1:3000',
  'http://localhost:3000/a/b',
]

/** What URLs are made of, what parsers differ about, and what one of them drops or takes for another. */
const piece = fc.constantFrom(
  ...[
    '/',
    '//',
    '\\',
    '.',
    '..',
    '%2e',
    '%2f',
    '%5c',
    '%09',
    '\t',
    '\n',
    '\r',
    '\0',
    ' ',
    ':',
    '@',
    '?',
    '#',
  ],
  ...[
    'evil.example',
    'https:',
    'javascript:',
    'app.example',
    'a',
    '%',
    'é',
    '／',
    '。',
    '\ud800',
    '[',
    ']',
    ';',
  ],
  ...[
    '%2E%2e',
    '\u200b',
    '\u2028',
    '\ufeff',
    '\u00a0',
    '\u00ad',
    '\u2044',
    '\uff3c',
    '\x7f',
    '\x85',
    '℀',
    ':443',
    '|',
  ],
)
const crafted = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
const rooted = crafted.map((path) => `/${path}`)
const spoiled = fc
  .tuple(fc.oneof(fc.webPath(), fc.webUrl()), piece, fc.nat())
  .map(([text, odd, at]) => text.slice(0, at % (text.length + 1)) + odd + text.slice(at % (text.length + 1)))
const anything = fc.oneof(rooted, crafted, spoiled, fc.string({ unit: 'binary' }), fc.webUrl())

describe('any text', () => {
  it('leads to this app or nowhere, by whatever base', () => {
    let found = 0
    fc.assert(
      fc.property(anything, (value) => {
        const path = sameOriginPath(value)
        if (path === undefined) return
        found++
        for (const base of bases) {
          const url = new URL(path, base)
          expect(url.origin).toBe(new URL(base).origin)
          expect(url.pathname + url.search + url.hash).toBe(path)
        }
        expect(path).toMatch(/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/)
        expect(path.length).toBeLessThanOrEqual(400)
      }),
      runs(5_000),
    )
    expect(found).toBeGreaterThan(10)
  })

  it('that would lead a browser elsewhere is rejected, and what is accepted leads where it says', () => {
    const tally = { here: 0, elsewhere: 0 }
    fc.assert(
      fc.property(anything, fc.constantFrom(...bases), (value, base) => {
        const path = sameOriginPath(value)
        const url = URL.canParse(value, base) ? new URL(value, base) : undefined
        const isHere = url?.origin === new URL(base).origin
        // Without a "?" or "#" that nothing follows.
        const place = isHere ? url.pathname + url.search + url.hash : undefined
        expect([undefined, place]).toContain(path)
        if (path !== undefined) tally.here++
        if (!isHere) tally.elsewhere++
      }),
      runs(5_000),
    )
    expect(tally.here).toBeGreaterThan(10)
    expect(tally.elsewhere).toBeGreaterThan(10)
  })

  it('that is found stays the same when it is looked at again', () => {
    fc.assert(
      fc.property(rooted, (value) => {
        const path = sameOriginPath(value)
        fc.pre(path !== undefined)
        expect(sameOriginPath(path)).toBe(path)
      }),
      runs(1_000),
    )
  })

  it('that a browser takes to this app unchanged is found', () => {
    fc.assert(
      fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
        const value = `${path}?${query}`
        fc.pre(/^\/(?!\/)/.test(value) && value.length <= 400)
        const url = new URL(value, app)
        fc.pre(url.origin === app && url.pathname + url.search === value)
        expect(sameOriginPath(value)).toBe(value)
      }),
      runs(200),
    )
  })
})

describe('a URL to return to, with other origins of the app', () => {
  const origins = [app, 'http://127.0.0.1:3000', 'https://spa.example:8443']
  const near = fc
    .tuple(fc.constantFrom(...origins), fc.constantFrom('', '@', '/', '\\', '.', ':80', '%2e'), crafted)
    .map((pieces) => pieces.join(''))

  it('leads to one of them or nowhere, by whatever base', () => {
    let elsewhere = 0
    let whole = 0
    fc.assert(
      fc.property(fc.oneof(near, anything), fc.constantFrom(...bases), (value, base) => {
        const url = ownURL(value, origins)
        if (url === undefined) return void elsewhere++
        const { origin, username, password, href } = new URL(url, base)
        expect([...origins, new URL(base).origin]).toContain(origin)
        expect([username, password]).toEqual(['', ''])
        if (url.startsWith('/')) return
        expect(origins).toContain(origin)
        expect([href, href.length <= 400]).toEqual([url, true])
        expect(ownURL(url, origins)).toBe(url)
        whole++
      }),
      runs(5_000),
    )
    expect(elsewhere).toBeGreaterThan(10)
    expect(whole).toBeGreaterThan(10)
  })
})

describe('anything but a text', () => {
  it('is rejected', () => {
    const value = fc.anything({ withBigInt: true, withNullPrototype: true, withBoxedValues: true })
    fc.assert(
      fc.property(value, (it) => {
        fc.pre(typeof it !== 'string')
        expect(sameOriginPath(it)).toBeUndefined()
      }),
      runs(300),
    )
  })
})

describeWithChromium('a real browser', () => {
  it('goes where we say it goes: never to another origin, and by a link as by a Location', async () => {
    const values = fc.sample(anything, runs(4_000))
    const browser = await startChromium()
    try {
      const page = await browser.newPage()
      const places = await page.evaluate(
        ({ texts, base }) => {
          const { document, URL } = globalThis as unknown as {
            document: { createElement(name: string): { href: string }; head: { append(it: unknown): void } }
            URL: {
              new (url: string, base: string): { href: string }
              canParse(url: string, base: string): boolean
            }
          }
          const start = document.createElement('base')
          start.href = base
          document.head.append(start)
          return texts.map((text) => {
            const link = document.createElement('a')
            link.href = text
            return [link.href, URL.canParse(text, base) ? new URL(text, base).href : '']
          })
        },
        { texts: values.map((value) => sameOriginPath(value) ?? value), base: `${app}/auth/pagerduty` },
      )
      const found = { here: 0, elsewhere: 0 }
      for (const [position, value] of values.entries()) {
        const path = sameOriginPath(value)
        // Chromium writes this one character in another way than Node does.
        const [link, location] = (places[position] ?? []).map((url) => url.replaceAll('%7C', '|'))
        const isHere = location?.startsWith(`${app}/`) === true
        if (path === undefined) {
          if (!isHere) found.elsewhere++
          continue
        }
        expect([value, location, link]).toEqual([value, app + path, app + path])
        found.here++
      }
      expect(found.here).toBeGreaterThan(10)
      expect(found.elsewhere).toBeGreaterThan(10)
    } finally {
      await browser.close()
    }
  })
})
