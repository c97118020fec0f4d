// `npm run api`: the API report, and the reference in docs/reference, from the types that the build has made. With --check it writes
// nothing, and fails where one of them is out of date.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'
import { pageOf } from './reference/page.mjs'
import { indexOf } from './reference/overview.mjs'

const isCheck = process.argv.includes('--check')
const cache = resolve('node_modules/.cache/api-extractor')
const outdated = []

const entries = [
  { name: 'passport-pagerduty', types: 'dist/index.d.ts', page: 'passport-pagerduty.md' },
  { name: 'passport-pagerduty/testing', types: 'dist/testing/index.d.ts', page: 'testing.md' },
]

for (const [at, entry] of entries.entries()) {
  const model = resolve(cache, `${at}.api.json`)
  extract(entry, model, at === 0)
  entry.api = JSON.parse(readFileSync(model, 'utf8')).members[0].members
}
mkdirSync('docs/reference', { recursive: true })
for (const entry of entries) put(`docs/reference/${entry.page}`, pageOf(entry))
put('docs/reference/README.md', indexOf(entries))
if (outdated.length > 0) {
  process.stderr.write(`Out of date: ${outdated.join(', ')}. Run "npm run api".\n`)
  process.exitCode = 1
}

/** Writes the model of an entry, and compares or writes the report of the first one. */
function extract({ types }, model, hasReport) {
  const path = resolve('docs/api-extractor.json')
  const configObject = ExtractorConfig.loadFile(path)
  configObject.mainEntryPointFilePath = resolve(types)
  configObject.apiReport.enabled = hasReport
  configObject.docModel = { enabled: true, apiJsonFilePath: model }
  const packageJsonFullPath = resolve('package.json')
  const config = ExtractorConfig.prepare({ configObject, configObjectFullPath: path, packageJsonFullPath })
  const result = Extractor.invoke(config, {
    localBuild: !(isCheck && hasReport),
    messageCallback: (message) => {
      message.handled = message.logLevel !== 'error'
    },
  })
  if (result.apiReportChanged && isCheck) outdated.push('docs/passport-pagerduty.api.md')
  else if (!result.succeeded) throw new Error(`API Extractor cannot read ${types}`)
}

function put(path, text) {
  if (!isCheck) return writeFileSync(path, text)
  let before
  try {
    before = readFileSync(path, 'utf8')
  } catch {
    // There is none yet.
  }
  if (before !== text) outdated.push(path)
}
