// Reads PagerDuty's OpenAPI files: a clone of https://github.com/PagerDuty/api-schema.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Those whose operations take OAuth tokens of the REST API. */
const files = [
  'REST',
  'integration-jira-cloud',
  'integration-ms-teams-service',
  'integration-slack-service',
  'scim',
]
const methods = ['delete', 'get', 'patch', 'post', 'put']

/** The facts of them as lines, as operations.txt has them. */
export function readPublished(folder) {
  const git = (...args) => execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim()
  const version = git('log', '-1', '--format=%H of %cs')
  const lines = files.flatMap((file) =>
    linesOf(JSON.parse(readFileSync(join(folder, 'reference', file, 'openapiv3.json'), 'utf8'))),
  )
  return `# Made of PagerDuty/api-schema, commit ${version}, by \`npm run catalogue -- --from <clone>\`.
# A line: path, then each method with the scopes that it declares (x-pd-requires-scope; "-" where it declares none, which does not
# mean that it needs none), "From" where it declares that header, and "offset" or "cursor" where it is a list with such pages.
${lines.toSorted((one, other) => (one < other ? -1 : 1)).join('\n')}
`
}

function linesOf(document) {
  const lines = new Map()
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of methods.filter((name) => name in item)) {
      const operation = item[method]
      const [{ url }] = operation.servers ?? item.servers ?? document.servers
      const full = new URL(url).pathname.replace(/\/$/, '') + path
      const scopes = operation['x-pd-requires-scope']?.split(' ').toSorted().join(',') ?? '-'
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) =>
        resolve(document, one),
      )
      const from = parameters.some(isFrom) ? ' From' : ''
      const pages = method === 'get' ? pagesOf(parameters) : ''
      const line = lines.get(full) ?? full
      lines.set(full, `${line}  ${method.toUpperCase()} ${scopes}${from}${pages}`)
    }
  }
  return [...lines.values()]
}

/** A reference is a JSON pointer (RFC 6901). */
function resolve(document, parameter) {
  if (parameter.$ref === undefined) return parameter
  const names = decodeURIComponent(parameter.$ref).slice(2).split('/')
  const unescape = (name) => name.replaceAll('~1', '/').replaceAll('~0', '~')
  return resolve(
    document,
    names.reduce((value, name) => value[unescape(name)], document),
  )
}

function isFrom(parameter) {
  return parameter.in === 'header' && parameter.name.toLowerCase() === 'from'
}

/** By the parameter that takes a list to its next page. */
function pagesOf(parameters) {
  const names = parameters.filter((one) => one.in === 'query').map(({ name }) => name)
  if (names.includes('offset')) return ' offset'
  return names.includes('cursor') || names.includes('after') ? ' cursor' : ''
}
