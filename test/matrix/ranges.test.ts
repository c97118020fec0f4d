import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Ranges, pinsOf } from './ranges'

const two = { dependencies: { cookie: '^0.7.2' }, peerDependencies: { express: '^4.18.0 || ^5.0.0' } }

test('a range of two majors makes two projects, each with the end of one of them', () => {
  expect(pinsOf(two, 'lowest')).toEqual([
    { cookie: '0.7.2', express: '4.18.0' },
    { cookie: '0.7.2', express: '5.0.0' },
  ])
  expect(pinsOf(two, 'newest')).toEqual([
    { cookie: '^0.7.2', express: '^4.18.0' },
    { cookie: '^0.7.2', express: '^5.0.0' },
  ])
})

test('the lowest version of each range of this package is known', () => {
  const ranges = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as Ranges
  const versions = pinsOf(ranges, 'lowest').flatMap((pins) => Object.values(pins))
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
})

test('a range whose lowest version cannot be determined is an error', () => {
  const odd = { ...two, dependencies: { cookie: '>0.7' } }
  expect(() => pinsOf(odd, 'lowest')).toThrow('">0.7" is no caret range')
})
