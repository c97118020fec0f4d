/** @jest-config-loader esbuild-register */
import type { Config } from 'jest'
import root from '../../jest.config'

const config: Config = {
  ...root,
  rootDir: '../..',
  globalSetup: '<rootDir>/test/faults/set-up.ts',
  globalTeardown: '<rootDir>/test/faults/tear-down.ts',
  testMatch: ['<rootDir>/test/faults/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // Most of the time goes into waiting for locks and pauses to end.
  maxWorkers: 3,
  maxConcurrency: 4,
  testTimeout: 600_000,
}

export default config
