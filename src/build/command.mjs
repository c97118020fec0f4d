// Part of the build: makes one file of the command, which imports the library as it is. A packed file costs more than its text.
import { build } from 'esbuild'

await build({
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/cli/main.js',
  allowOverwrite: true,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  packages: 'external',
  minifySyntax: true,
  minifyIdentifiers: true,
  logLevel: 'warning',
  plugins: [
    {
      name: 'library',
      setup(building) {
        building.onResolve({ filter: /^\.\.\// }, ({ path }) => ({ path, external: true }))
      },
    },
  ],
})
