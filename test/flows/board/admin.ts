// Who is logged in where, for the administrator.
import { Router } from 'express'
import { type Name, accounts, redis } from './accounts'
import { button, escape } from './html'

export const admin = Router()
const administrator = process.env['BOARD_ADMIN']
admin.use((req, res, next) => (req.user?.id === administrator ? next() : void res.sendStatus(403)))

admin.get('/', async (_req, res) => {
  const lines: string[] = []
  for (const [link, person] of Object.entries(await redis.hgetall('board:links'))) {
    const [name, accountID, userID] = link.split('/') as [Name, string, string]
    const grants = await accounts[name].grants.list({ accountID, userID })
    for (const { grantID, label = '', createdAt = 0, isKept } of grants) {
      const line = [person, link, label, new Date(createdAt).toISOString(), isKept ? 'kept' : ''].map(escape)
      const endOthers = button(`/admin/end-others/${link}/${grantID}`, 'End the others')
      lines.push(`<p>${line.join(', ')}</p>${endOthers}`)
    }
  }
  res.send(lines.join('\n'))
})

admin.post('/end-others/:name/:accountID/:userID/:except', async (req, res) => {
  const { name, ...which } = req.params
  await accounts[name as Name].grants.revoke(which)
  res.redirect(303, '/admin')
})
