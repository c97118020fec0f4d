import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Plugin, build } from 'esbuild'
import { folders, program } from './paths'

const root = join(__dirname, '../../..')

/** What is imported as our source here is the packed package there. */
const packedPackage: Plugin = {
  name: 'the packed package',
  setup(plugin) {
    plugin.onResolve({ filter: /\/src$/ }, () => ({ path: 'passport-pagerduty', external: true }))
  },
}

/** Installs the packed package for two users, with Express 4.18 and 5. Other dependencies are those of the checkout. */
export async function install(): Promise<void> {
  const cache = dirname(folders[4])
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const pack = ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', cache]
  const packed = execFileSync('npm', pack, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ filename }] = Object.values(JSON.parse(packed) as object) as [{ filename: string }]
  const installs = Object.entries(folders).map(async ([version, folder]) => {
    const modules = join(folder, 'node_modules')
    mkdirSync(join(modules, 'passport-pagerduty'), { recursive: true })
    // Without one, TypeScript takes the name of the package for that of the checkout.
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    const unpack = ['-xzf', join(cache, filename), '--strip-components=1']
    execFileSync('tar', [...unpack, '-C', join(modules, 'passport-pagerduty')])
    const express = join(root, 'node_modules', version === '4' ? 'express4' : 'express')
    symlinkSync(express, join(modules, 'express'))
    await build({
      entryPoints: [join(__dirname, 'victim.ts')],
      outfile: join(folder, program),
      bundle: true,
      packages: 'external',
      platform: 'node',
      target: 'node20',
      plugins: [packedPackage],
    })
  })
  await Promise.all(installs)
}
