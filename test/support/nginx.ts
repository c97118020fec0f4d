import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programs } from './programs'
import { freePort } from './redis'

/** A proxy in front of an app. */
export interface Nginx {
  url: string
  /** What it wrote to its error log. */
  log: string
  stop(): Promise<void>
}

/**
 * Starts nginx on a free port of 127.0.0.1.
 *
 * @param upstream what stands beside the server
 * @param location what stands in the server
 */
export async function startNginx(upstream: string, location: string): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const config = `
daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log stderr notice;
events { worker_connections 1024; }
http { access_log off; ${paths.join(' ')}
${upstream}
server { listen 127.0.0.1:${port};
${location}
} }`
  writeFileSync(join(folder, 'nginx.conf'), config)
  const child = spawn(programs['nginx-light'] as string, ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const nginx: Nginx = {
    url: `http://127.0.0.1:${port}`,
    log: '',
    async stop() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      nginx.log += chunk.toString()
      if (nginx.log.includes('using the')) resolve() // The method of its event loop, which runs then.
    })
    child.once('exit', () => reject(new Error(`nginx ended: ${nginx.log}`)))
  })
  return nginx
}
