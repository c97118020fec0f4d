import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeWithChromium, startChromium } from '../support/chromium'
import { type Walk, followQuickStart } from './quick-start'
import { visit } from './visit'

// Five minutes are what a newcomer has.
jest.setTimeout(300_000)

const root = join(__dirname, '../..')
const transcript = join(__dirname, 'transcript.txt')
let folder: string
let tarball: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packed-'))
  const pack = ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', folder]
  const packed = execFileSync('npm', pack, { cwd: root, encoding: 'utf8' })
  const [{ filename }] = Object.values(JSON.parse(packed) as object) as [{ filename: string }]
  tarball = join(folder, filename)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The packed package with the dependencies of the checkout, where there is no registry. */
function installOffline(name: 'express' | 'express4') {
  return (project: string) => {
    const modules = join(project, 'node_modules')
    const target = join(modules, 'passport-pagerduty')
    rmSync(modules, { recursive: true, force: true })
    mkdirSync(join(modules, '.bin'), { recursive: true })
    mkdirSync(target)
    execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', target])
    const { bin, dependencies } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as {
      bin: Record<string, string>
      dependencies: Record<string, string>
    }
    for (const [command, file] of Object.entries(bin)) {
      execFileSync('chmod', ['+x', join(target, file)])
      symlinkSync(join(target, file), join(modules, '.bin', command))
    }
    for (const one of Object.keys(dependencies)) {
      symlinkSync(join(root, 'node_modules', one), join(modules, one))
    }
    symlinkSync(join(root, 'node_modules', name), join(modules, 'express'))
  }
}

function sayTrouble({ registryTrouble }: Walk): void {
  if (registryTrouble === undefined) return
  const line = 'No registry: the quick start was followed with the dependencies of the checkout.'
  process.stderr.write(`\n\x1b[1;31m!!! ${line}\x1b[0m\n\n`)
}

test('the quick start gives a working login in 16 lines of code or fewer, and what is seen is what was recorded', async () => {
  const walk = await followQuickStart({
    tarball,
    express: '^5',
    visit,
    installOffline: installOffline('express'),
  })
  sayTrouble(walk)
  if (process.env['RECORD_TRANSCRIPT']) writeFileSync(transcript, walk.transcript)
  expect(walk.transcript).toBe(readFileSync(transcript, 'utf8'))
  expect(walk.page).toMatch(/^Hello PACME01 of acme /)
  expect(walk.linesOfCode).toBeLessThan(17)
})

test('the quick start works under Express 4', async () => {
  const walk = await followQuickStart({
    tarball,
    express: '4.18',
    visit,
    installOffline: installOffline('express4'),
  })
  sayTrouble(walk)
  expect(walk.transcript).toBe(readFileSync(transcript, 'utf8'))
})

describeWithChromium('in a browser', () => {
  test('the quick start offers to log in, and comes back to its page', async () => {
    const chromium = await startChromium()
    try {
      const walk = await followQuickStart({
        tarball,
        express: '^5',
        installOffline: installOffline('express'),
        async visit(url) {
          const page = await chromium.newPage()
          await page.goto(url)
          await page.getByText('Log in').click()
          await page.getByText('Ada Okafor').click()
          await page.getByRole('button', { name: 'Allow' }).click()
          await page.waitForURL(url)
          const text = await page.locator('body').innerText()
          return text
        },
      })
      expect(walk.page).toContain('Hello PACME01 of acme Incidents')
    } finally {
      await chromium.close()
    }
  })
})
