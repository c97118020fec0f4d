import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mutations } from './mutations'

const root = join(__dirname, '../..')

// `npm run test:mutations` takes minutes and runs once a week: it should not be the first to notice that a line has moved.
test.each(mutations.map((mutation) => [mutation.name, mutation] as const))(
  'the code that this mutation removes exists, and so does the test that catches it: %s',
  (_name, { file, old, caughtBy: [path, test] }) => {
    expect(readFileSync(join(root, file), 'utf8').split(old)).toHaveLength(2)
    // In a table of cases the first word may be the case.
    const titles = [test, test.replace(/^\S+/, '%s')]
    const text = readFileSync(join(root, path), 'utf8')
    expect(titles.filter((title) => text.includes(title))).not.toEqual([])
  },
)
