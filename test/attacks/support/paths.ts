import { join } from 'node:path'

const cache = join(__dirname, '../../../node_modules/.cache/passport-pagerduty-attacks')

/** Users' folders, each with the packed package and one Express. */
export const folders = { 4: join(cache, 'express4'), 5: join(cache, 'express5') }

/** The program of a victim, beside each of them. */
export const program = 'victim.cjs'
