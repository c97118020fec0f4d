// Who is logged in where, for administrators.
import { Router, urlencoded } from 'express'
import { type Name, accounts, redis } from './accounts'
import { button, escape } from './html'

export const admin = Router()
admin.use((req, res, next) => (req.user?.isAdministrator ? next() : void res.sendStatus(403)))

admin.get('/', async (_req, res) => {
  const links = Object.entries(await redis.hgetall('board:links')).map(async ([link, person]) => {
    const [name, accountID, userID] = link.split('/') as [Name, string, string]
    const grants = await accounts[name].grants.list({ accountID, userID })
    return grants.map(({ grantID = '', label = '', createdAt = 0, isKept }) => {
      const line = [person, link, label, new Date(createdAt).toISOString(), isKept ? 'kept' : 'in a browser']
      const values = { name, accountID, userID, except: grantID }
      return `<p>${line.map(escape).join(', ')}</p>${button('/admin/end-others', 'End the others', values)}`
    })
  })
  res.send((await Promise.all(links)).flat().join('\n'))
})

admin.post('/end-others', urlencoded(), async (req, res) => {
  const { name, ...which } = req.body as { name: Name; accountID: string; userID: string; except: string }
  await accounts[name].grants.revoke(which)
  res.redirect(303, '/admin')
})
