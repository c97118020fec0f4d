import { type ExampleOptions, type RunningExample, startExampleApp } from '../../example-app/server'
import type { StandIn } from '../../src/testing'
import { type OpenPage, openEachTime } from './chromium'

/** A page of the example app, opened by Ada, who is logged in. */
export interface ExamplePage extends OpenPage {
  app: RunningExample
  standIn: StandIn
}

/** The app is a new one for each test. */
export function openExampleEachTime(path: string, options: Partial<ExampleOptions> = {}): ExamplePage {
  let app: RunningExample
  beforeEach(async () => {
    app = await startExampleApp({ port: 0, ...options })
    const standIn = app.standIn as StandIn
    standIn.settings.autoApprove = 'PACME01'
    Object.assign(open, { app, standIn })
  })
  const open = openEachTime(() => `${app.url}/auth/pagerduty?returnTo=${path}`) as ExamplePage
  afterEach(() => app.close())
  return open
}
