import { withinDeadline } from '../async/timeout'
import { ConfigurationError } from '../errors'

/** The browser waits, and so does a second click, while the tokens of the login are of no use to anybody. */
const longestDecision = 10_000

/**
 * Waits ten seconds for the app to decide on a login.
 *
 * @param option the option that holds the app's function
 * @throws {ConfigurationError} it has not decided by then
 */
export function decided<T>(option: 'verify' | 'partialGrant', decision: Promise<T>): Promise<T> {
  return withinDeadline(decision, longestDecision, () => undecided(option))
}

function undecided(option: 'verify' | 'partialGrant'): ConfigurationError {
  const hint =
    option === 'verify'
      ? 'Return the user, or false to refuse the login, or call "done" where it is a parameter.'
      : 'Return false or throw to refuse the login, and anything else to accept it.'
  return new ConfigurationError(option, 'has not decided on a login within ten seconds', hint)
}
