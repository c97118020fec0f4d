// Express and nothing else: what a request costs before anybody logs in.
import { incidents, serve } from './serve.mjs'

await serve((app) => {
  app.get('/incidents', (_req, res) => res.json(incidents))
})
