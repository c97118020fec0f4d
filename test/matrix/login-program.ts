const imports = {
  CommonJS: `
const assert = require('node:assert/strict')
const { once } = require('node:events')
const express = require('express')
const { pagerduty } = require('passport-pagerduty')
const { approve, startPagerDuty } = require('passport-pagerduty/testing')
`,
  ESM: `
import assert from 'node:assert/strict'
import { once } from 'node:events'
import express from 'express'
import whole, { pagerduty } from 'passport-pagerduty'
import { approve, startPagerDuty } from 'passport-pagerduty/testing'
assert.equal(whole.pagerduty, pagerduty)
`,
}

/** What a program does besides: lines of JavaScript for places of it. */
export interface Extra {
  /** Before anything of the package runs. */
  setUp?: string
  /** Members of the options. */
  options?: string
  /** Before `pd.auth()`. */
  routes?: string
  whileLoggedIn?: string
  loggedOut?: string
}

/** A login at the simulator, a call of the API and a logout, all over HTTP. With REDIS_URL it is kept there. */
const bodyWith = ({ setUp = '', options = '', routes = '', whileLoggedIn = '', loggedOut = '' }: Extra) => `
${setUp}
async function main() {
  const simulator = await startPagerDuty()
  const app = express()
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = 'http://127.0.0.1:' + server.address().port
  const pd = pagerduty({
    ...simulator.options(),
    callbackURL: url + '/auth/pagerduty/callback',
    scope: 'incidents.read',
    secret: 'a secret of thirty-two letters or a few more',
    ${options}
  })
  ${routes}
  app.use(pd.auth())
  app.get('/incidents', pd.requireScopes('incidents.read'), async (req, res) => {
    const answer = await req.pagerduty.fetch('/incidents')
    res.json({ id: req.pagerduty.user.id, ...(await answer.json()) })
  })
  app.use(pd.errors())

  const cookies = new Map()
  const visit = async (to, method = 'GET') => {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const answer = await fetch(to, { method, redirect: 'manual', headers: { cookie } })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      if (value) cookies.set(name, value)
      else cookies.delete(name)
    }
    return answer
  }
  assert.equal((await visit(url + '/incidents')).status, 401)
  const begun = await visit(url + '/auth/pagerduty')
  const finished = await visit(await approve(begun.headers.get('location'), { user: 'PACME01' }))
  assert.equal(finished.headers.get('location'), '/')
  const shown = await (await visit(url + '/incidents')).json()
  assert.equal(shown.id, 'PACME01')
  assert.equal(shown.incidents[0].type, 'incident')
  if (process.env.REDIS_URL) {
    const { Redis } = await import('ioredis')
    const redis = new Redis(process.env.REDIS_URL)
    assert.ok((await redis.dbsize()) > 0)
    await redis.quit()
  }
  ${whileLoggedIn}
  await visit(url + '/auth/pagerduty/logout', 'POST')
  assert.equal((await visit(url + '/incidents')).status, 401)
  ${loggedOut}
  await pd.close()
  await simulator.close()
  server.close()
  server.closeAllConnections()
  console.log('logged in and out on ' + process.version)
}
main()
`

/** The program as a file of its kind. */
export function loginProgram(format: keyof typeof imports, extra: Extra = {}): string {
  return imports[format] + bodyWith(extra)
}
