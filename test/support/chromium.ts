import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core'
import { describeWith, programs } from './programs'

/** Nothing that needs a screen, a user namespace or the internet. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** `describe` for tests that need a browser. */
export const describeWithChromium = describeWith('chromium')

/** Starts Chromium without a window. The test closes it. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: programs.chromium as string, args })
}

/** The page that is open in a test, and all around it. */
export interface OpenPage {
  chromium: Browser
  context: BrowserContext
  page: Page
  /** What the page wrote to its console, and its errors. */
  complaints: string[]
}

/** Opens a page for each test of a `describe`, and fails those in which it complains. */
export function openEachTime(address: () => string): OpenPage {
  const open = {} as OpenPage
  beforeAll(async () => {
    open.chromium = await startChromium()
  })
  afterAll(() => open.chromium.close())
  beforeEach(async () => {
    const complaints: string[] = []
    const context = await open.chromium.newContext({ viewport: { width: 1200, height: 900 } })
    const page = await context.newPage()
    page.setDefaultTimeout(30_000)
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    Object.assign(open, { context, page, complaints })
    await page.goto(address())
  })
  afterEach(async () => {
    await open.context.close()
    if (open.complaints.length > 0) throw new Error(`The page complained:\n${open.complaints.join('\n')}`)
  })
  return open
}
