import { effectiveExpiry, refreshAt } from '../../src/oauth/token-expiry'
import { TokenSet } from '../../src/oauth/token-set'

/** When a token that is still valid is renewed. */
export interface Policy {
  name: string
  /** Seconds from the receipt of the tokens. */
  renewal(who: number, version: number): number
  /** Seconds from the receipt of the tokens until they count as ended. */
  readonly end: number
}

const versions = 8

/**
 * The library's own moments, and two for comparison.
 *
 * @param life seconds that an access token lives
 */
export function policies(life: number, grants: number): { ours: Policy; fixed: Policy; atEnd: Policy } {
  const tokens = new TokenSet({
    accessToken: 'a',
    refreshToken: 'r',
    obtainedAt: 0,
    expiresAt: life * 1000,
    scope: [],
  })
  const end = effectiveExpiry(tokens) / 1000
  // The moments only shift with the receipt, so each is computed once.
  const asked = new Float32Array(grants * versions)
  return {
    ours: {
      name: 'refresh ahead, with jitter (this package)',
      end,
      renewal(who, version) {
        const place = who * versions + (version % versions)
        asked[place] ||= refreshAt(tokens, `grant ${who}`, version % versions) / 1000
        return asked[place]
      },
    },
    fixed: {
      name: 'refresh ahead, at a fixed moment',
      end,
      renewal: () => life - Math.min(life / 10, 86_400),
    },
    atEnd: { name: 'refresh at the end', end, renewal: () => Infinity },
  }
}
