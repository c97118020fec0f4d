import { AppProcess } from './app-process'
import { interleave, ratioOf, showRatio, median } from './figures'
import { Load } from './load'
import { logIn, startProvider } from './log-in'
import { RedisWatch } from './redis-watch'
async function main() {
  const provider = await startProvider()
  const redis = await RedisWatch.start()
  const ready: Record<
    string,
    { app: AppProcess; load: Load; shot: (n: number) => { path: string; headers: { cookie: string } } }
  > = {}
  for (const program of ['hand-wired', 'ours', 'memory', 'bare']) {
    const app = await AppProcess.start(
      program === 'memory' ? 'ours' : program,
      provider.environment(program, program === 'memory' ? '' : redis.url),
    )
    const cookies: string[] = ['']
    if (program !== 'bare')
      for (let i = 0; i < 10; i++) cookies[i] = await logIn(program === 'memory' ? 'ours' : program, app)
    const load = await Load.open(app.url, 8)
    const shot = (n: number) => ({
      path: '/incidents',
      headers: { cookie: cookies[n % cookies.length] as string },
    })
    await load.send(4000, shot)
    ready[program] = { app, load, shot }
  }
  const cpu = await interleave(14, Object.keys(ready), async (name) => {
    const { app, load, shot } = ready[name] as (typeof ready)['x'] & object
    const before = await app.cpu()
    await load.send(1000, shot)
    return ((await app.cpu()) - before) / 1000
  })
  for (const name in cpu)
    console.log(name, median(cpu[name]!).toFixed(0), showRatio(ratioOf(cpu[name]!, cpu['hand-wired']!)))
  for (const { app } of Object.values(ready)) await app.stop()
  process.exit()
}
main()
