import { type Browser, chromium } from 'playwright-core'
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
