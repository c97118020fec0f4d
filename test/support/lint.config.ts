/** @jest-config-loader esbuild-register */
import type { Config } from 'jest'
import root from '../../jest.config'

/** The part of `npm run lint` that reads pages and messages: words, links and claims. It needs no build. */
const config: Config = {
  ...root,
  rootDir: '../..',
  testMatch: ['package/words', 'docs/links', 'docs/claims'].map((name) => `<rootDir>/test/${name}.test.ts`),
}
delete config.globalSetup

export default config
