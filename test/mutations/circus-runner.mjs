// A test runner for Stryker that runs Jest's tests without Jest around them: for each mutant only the project's own modules
// are loaded anew, while those of node_modules stay. That is several times as fast, and there are thousands of mutants.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'

/** @typedef {{ name: string, parent: Block | undefined, mode?: string, errors: unknown[], type: 'test' }} Test */
/** @typedef {{ name: string, parent: Block | undefined, children: (Test | Block)[], type: 'describeBlock' }} Block */

const stryker = (globalThis.__stryker__ ??= {})
const packages = join(sep, 'node_modules', sep)

class CircusRunner {
  static inject = ['options']
  #files
  #leftOut
  #compiled = new Map()

  constructor(options) {
    this.#files = options.circus.testFiles
    this.#leftOut = options.circus.leftOut
  }

  capabilities() {
    return { reloadEnvironment: true }
  }

  async init() {
    this.require = createRequire(join(process.cwd(), 'package.json'))
    const { transformSync } = this.require('esbuild')
    this.require.extensions['.ts'] = (module, path) => {
      const code =
        this.#compiled.get(path) ??
        transformSync(readFileSync(path, 'utf8'), { loader: 'ts', format: 'cjs', target: 'node20' }).code
      this.#compiled.set(path, code)
      module._compile(code, path)
    }
    this.circus = this.require('jest-circus')
    this.mocker = new (this.require('jest-mock').ModuleMocker)(globalThis)
    const { ModernFakeTimers } = this.require('@jest/fake-timers')
    this.timers = new ModernFakeTimers({ config: { fakeTimers: {} }, global: globalThis })
    const { describe, it, test, beforeAll, beforeEach, afterAll, afterEach } = this.circus
    const { expect } = this.require('expect')
    Object.assign(globalThis, { describe, it, test, beforeAll, beforeEach, afterAll, afterEach, expect })
    globalThis.jest = this.#jest()
    // What a mutant left behind must not end the process that tries the next one.
    process.on('uncaughtException', () => {})
    process.on('unhandledRejection', () => {})
  }

  async dryRun({ coverageAnalysis }) {
    stryker.activeMutant = undefined
    stryker.mutantCoverage = undefined
    const { tests, problem } = await this.#run({ coverageAnalysis, disableBail: true })
    if (problem !== undefined) return { status: 'error', errorMessage: problem }
    return { status: 'complete', tests, mutantCoverage: stryker.mutantCoverage }
  }

  async mutantRun({ activeMutant, testFilter, disableBail, hitLimit }) {
    Object.assign(stryker, { activeMutant: activeMutant.id, hitLimit, hitCount: hitLimit && 0 })
    const { tests, problem } = await this.#run({ testFilter, disableBail })
    if (stryker.hitCount > stryker.hitLimit) return { status: 'timeout', reason: 'It goes round and round' }
    const failed = tests.filter(({ status }) => status === 1)
    const nrOfTests = tests.filter(({ status }) => status !== 2).length
    if (failed.length === 0 && problem === undefined) return { status: 'survived', nrOfTests }
    const killedBy = failed.length > 0 ? failed.map(({ id }) => id) : ['loading']
    return { status: 'killed', killedBy, failureMessage: failed[0]?.failureMessage ?? problem, nrOfTests }
  }

  /** Runs the files one after the other, or as much of them as the filter names. */
  async #run({ coverageAnalysis, testFilter, disableBail }) {
    const tests = []
    for (const file of this.#files) {
      if (testFilter && !testFilter.some((id) => id.startsWith(`${file}: `))) continue
      for (const path of Object.keys(this.require.cache)) {
        if (!path.includes(packages)) delete this.require.cache[path]
      }
      try {
        tests.push(...(await this.#runFile(file, { coverageAnalysis, testFilter, disableBail })))
      } catch (error) {
        return { tests, problem: `${file}: ${error?.stack ?? error}` }
      }
      if (!disableBail && tests.some(({ status }) => status === 1)) break
    }
    return { tests }
  }

  async #runFile(file, { coverageAnalysis, testFilter, disableBail }) {
    const { resetState, getState, run, addEventHandler, removeEventHandler } = this.circus
    resetState()
    // A machine that has other things to do is no reason to take a mutant for noticed.
    globalThis.jest.setTimeout(20_000)
    this.require(join(process.cwd(), file))
    const all = testsOf(getState().rootDescribeBlock)
    const idOf = (test) => `${file}: ${nameOf(test)}`
    for (const test of all) if (this.#leftOut.includes(nameOf(test))) test.mode = 'skip'
    if (testFilter) {
      const wanted = new Set(testFilter)
      for (const test of all) if (!wanted.has(idOf(test))) test.mode = 'skip'
    }
    const done = []
    const listen = (event) => {
      if (event.name === 'test_start' && coverageAnalysis === 'perTest')
        stryker.currentTestId = idOf(event.test)
      if (event.name === 'test_done') {
        stryker.currentTestId = undefined
        done.push(event.test)
        if (event.test.errors.length > 0 && !disableBail) for (const test of all) test.mode = 'skip'
      }
    }
    addEventHandler(listen)
    try {
      const { unhandledErrors } = await run()
      const [problem] = unhandledErrors
      if (problem !== undefined && !done.some(({ errors }) => errors.length > 0))
        throw new Error(String(problem))
    } finally {
      removeEventHandler(listen)
      this.mocker.restoreAllMocks()
      this.timers.useRealTimers()
    }
    return done.map((test) => ({
      id: idOf(test),
      name: idOf(test),
      timeSpentMs: test.duration ?? 0,
      status: test.errors.length > 0 ? 1 : 0,
      failureMessage: String([test.errors[0]].flat()[0]?.message ?? test.errors[0]),
    }))
  }

  #jest() {
    const { mocker, timers } = this
    const passed = [
      'advanceTimersByTime',
      'advanceTimersByTimeAsync',
      'getTimerCount',
      'useFakeTimers',
      'useRealTimers',
    ]
    return {
      fn: mocker.fn.bind(mocker),
      spyOn: mocker.spyOn.bind(mocker),
      replaceProperty: mocker.replaceProperty.bind(mocker),
      restoreAllMocks: () => mocker.restoreAllMocks(),
      setTimeout: (milliseconds) => {
        globalThis[Symbol.for('TEST_TIMEOUT_SYMBOL')] = milliseconds
      },
      ...Object.fromEntries(passed.map((name) => [name, timers[name].bind(timers)])),
    }
  }
}

/** @param {Block} block */
function testsOf(block) {
  return block.children.flatMap((child) => (child.type === 'test' ? [child] : testsOf(child)))
}

/** @param {Test | Block} it */
function nameOf(it) {
  const above = it.parent?.parent === undefined ? '' : `${nameOf(it.parent)} `
  return above + it.name
}

export const strykerPlugins = [{ kind: 'TestRunner', name: 'circus', injectableClass: CircusRunner }]
const texts = { type: 'array', items: { type: 'string' } }
export const strykerValidationSchema = {
  properties: {
    circus: { type: 'object', properties: { testFiles: texts, leftOut: texts } },
  },
}
