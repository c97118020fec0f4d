import { type ExampleOptions, type RunningExample, startExampleApp } from '../../example-app/server'
import type { Simulator } from '../../src/testing'
import { type OpenPage, openEachTime } from './chromium'

/** A page of the example app, opened by Ada, who is logged in. */
export interface ExamplePage extends OpenPage {
  app: RunningExample
  simulator: Simulator
}

/** The app is a new one for each test. */
export function openExampleEachTime(path: string, options: Partial<ExampleOptions> = {}): ExamplePage {
  let app: RunningExample
  beforeEach(async () => {
    app = await startExampleApp({ port: 0, ...options })
    const simulator = app.simulator as Simulator
    simulator.settings.autoApprove = 'PACME01'
    Object.assign(open, { app, simulator })
  })
  const open = openEachTime(() => `${app.url}/auth/pagerduty?returnTo=${path}`) as ExamplePage
  afterEach(() => app.close())
  return open
}
