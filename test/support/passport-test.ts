import { type Simulator, startPagerDuty } from '../../src/testing'
import { Browser } from './browser'
import { type PassportApp, type PassportSetup, startPassportApp } from './passport-app'

export let simulator: Simulator
export let browser: Browser
export let app: PassportApp

/** For each test of a file: a simulator and a browser of its own, and an end of the app that it starts. */
export function setUpPassportTests(): void {
  beforeEach(async () => {
    simulator = await startPagerDuty()
    browser = new Browser()
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    await app.close()
    await simulator.close()
  })
}

/** Starts `app`. */
export async function start(setup: PassportSetup = {}): Promise<void> {
  app = await startPassportApp(simulator, setup)
}
