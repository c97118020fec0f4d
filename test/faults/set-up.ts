import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { say, sayWhatIsMissing } from '../support/global-setup'
import { bundledWorker, rowsFile } from './paths'

/** Bundles the worker around the package as it was built, and begins an empty table. */
export default async function setUp(): Promise<void> {
  sayWhatIsMissing()
  if (process.getuid?.() !== 0) say('Only root can mount small disks: the tests of full ones are left out')
  const built = join(__dirname, '../../dist/index.js')
  await build({
    entryPoints: [join(__dirname, 'worker.ts')],
    outfile: bundledWorker,
    bundle: true,
    platform: 'node',
    target: 'node20',
    plugins: [
      {
        name: 'the package as it was built',
        setup(plugin) {
          plugin.onResolve({ filter: /^\.\.\/\.\.\/src$/ }, () => ({ path: built }))
        },
      },
    ],
  })
  mkdirSync(dirname(rowsFile), { recursive: true })
  rmSync(rowsFile, { force: true })
}
