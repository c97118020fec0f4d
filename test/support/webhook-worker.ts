// One process of an app that receives webhooks, over Redis. Driven by the events that are sent to it.
import type { AddressInfo } from 'node:net'
import express from 'express'
import { pagerduty } from '../../src'

/** What comes back when a handler is called. */
export interface Handled {
  handled: string
}

const app = express()
const server = app.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pd = pagerduty({ scope: 'incidents.read', callbackURL: `${url}/auth/pagerduty/callback` })
  const receiver = pd.webhook(
    async (event) => {
      process.send?.({ handled: event.id } satisfies Handled)
      const { title } = event.data as { title?: string }
      if (title === 'slow') await new Promise((resolve) => setTimeout(resolve, 200))
      if (title === 'hang') await new Promise(() => {})
      if (title === 'fail late') {
        await new Promise((resolve) => setTimeout(resolve, 200))
        throw new Error('late')
      }
      if (title === 'reject') throw new Error('no')
    },
    { timeout: 100 },
  )
  const patient = pd.webhook(
    async (event, { getToken }) => {
      process.send?.({ handled: event.id } satisfies Handled)
      const { title } = event.data as { title?: string }
      if (title === 'token') await getToken()
      await new Promise((resolve) => setTimeout(resolve, title === 'hang' ? 60_000 : 200))
    },
    { name: 'patient' },
  )
  const rude = pd.webhook(
    () => {
      throw new Error('at once')
    },
    {
      name: 'rude',
      onError: () => {
        throw new Error('the page for errors is broken')
      },
    },
  )
  app.post('/quick', receiver)
  app.post('/patient', patient)
  app.post('/rude', rude)
  process.send?.(url)
})
