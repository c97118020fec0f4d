import { createRequire } from 'node:module'
import { join } from 'node:path'
import { startExampleApp } from '../../example-app/start'
import { find } from '../support/programs'
import type { Check } from './check'
import type { Installed } from './install'
import { runProgram } from './run-program'

/** As much of puppeteer-core as is needed here: Playwright drives a Firefox of its own only. */
interface Puppeteer {
  launch(options: object): Promise<{ newPage(): Promise<Page>; close(): Promise<void> }>
}
interface Page {
  goto(url: string): Promise<unknown>
  url(): string
  locator(selector: string): { click(): Promise<void>; wait(): Promise<void> }
  evaluate(expression: string): Promise<unknown>
  waitForFunction(condition: string): Promise<unknown>
}

/** The example app in Firefox: cookies, redirects, forms and server-sent events of another browser than Chromium. */
export async function firefoxChecks(installed: Installed, say: (line: string) => void): Promise<Check[]> {
  const firefox = find(process.env['FIREFOX_BIN'] ?? 'firefox-esr')
  if (firefox === undefined) {
    const line = 'firefox-esr not found, the checks in Firefox are left out: apt-get install -y firefox-esr'
    if (process.env['CI']) throw new Error(line)
    say(`\n\x1b[1;31m!!! ${line}\x1b[0m\n`)
    return []
  }
  const column = (await runProgram(firefox, ['--version'], installed.tools)).trim()
  const rows = { 'login, refresh and logout': logInAndOut, 'live pages': watchEvents }
  return Object.entries(rows).map(([row, visit]) => ({
    table: 'The example app in a browser',
    row,
    column,
    run: () => open(installed, firefox, visit),
  }))
}

async function open(
  { tools }: Installed,
  executablePath: string,
  visit: (page: Page, url: string, newPage: () => Promise<Page>) => Promise<void>,
): Promise<void> {
  const puppeteer = createRequire(join(tools, 'package.json'))('puppeteer-core') as Puppeteer
  const app = await startExampleApp({ port: 0 })
  try {
    const browser = await puppeteer.launch({ browser: 'firefox', executablePath })
    try {
      await visit(await browser.newPage(), app.url, () => browser.newPage())
    } finally {
      await browser.close()
    }
  } finally {
    await app.close()
  }
}

/** Clicks, and waits until the page that it leads to has this. */
async function click(page: Page, selector: string, next: string): Promise<void> {
  await page.locator(selector).click()
  await page.locator(next).wait()
}

async function logIn(page: Page, url: string, path: string): Promise<void> {
  await page.goto(url + path)
  await page.locator('#user-PACME01').click()
  await click(page, '#allow', '[data-testid="user-name"]')
  const name = await page.evaluate('document.querySelector("[data-testid=user-name]").textContent')
  if (name !== 'Ada Okafor' || page.url() !== url + path) throw new Error(`${String(name)} at ${page.url()}`)
}

async function logInAndOut(page: Page, url: string): Promise<void> {
  await logIn(page, url, '/incidents')
  await click(page, '[data-testid="nav-home"]', '[data-testid="refresh"]')
  await click(page, '[data-testid="refresh"]', '.done')
  await click(page, '[data-testid="logout"]', '[data-testid="login"]')
  await page.goto(`${url}/incidents`)
  if (!page.url().includes('/oauth/authorize')) throw new Error(`Logged out, and still at ${page.url()}`)
}

async function watchEvents(page: Page, url: string, newPage: () => Promise<Page>): Promise<void> {
  await logIn(page, url, '/webhooks')
  await page.waitForFunction(
    `document.getElementById('live').textContent === 'New rows appear by themselves.'`,
  )
  const other = await newPage()
  await other.goto(`${url}/webhooks`)
  await click(other, '[data-testid="send-incident.triggered"]', '[data-outcome="handled"]')
  await page.locator('[data-outcome="handled"]').wait()
}
