import { ConfigurationError } from '../../src/errors/errors'
import { type WebhookSecret, secretSource } from '../../src/webhooks/secrets'

const secret = 'lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itB'

function refusal(value: unknown): ConfigurationError {
  try {
    secretSource(value as WebhookSecret)
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('It was accepted')
}

describe('the secret of a webhook subscription', () => {
  test.each<[WebhookSecret, string[]]>([
    [secret, [secret]],
    [
      [secret, 'sixteen-letters!'],
      [secret, 'sixteen-letters!'],
    ],
    [`${secret}, sixteen-letters!`, [secret, 'sixteen-letters!']],
    [() => `${secret},sixteen-letters!`, [secret, 'sixteen-letters!']],
    [() => secret, [secret]],
    [async () => [secret, secret], [secret, secret]],
  ])('is one, several, or what a function gives: %p', async (value, expected) => {
    expect(await secretSource(value)()).toEqual(expected)
  })

  test.each([[undefined], [null], [''], [' \n'], [[]], [['', ' ']], [5], [{}]])(
    'is required: not %p',
    (value) => {
      expect(refusal(value)).toMatchObject({ option: 'webhookSecret' })
      expect(refusal(value).message).toContain('is required')
    },
  )

  test.each([
    ['x'.repeat(15)],
    [`${secret}\n`],
    [`${secret} `],
    [`é${secret}`],
    ['x'.repeat(20)],
    [`${secret},`],
    [[secret, 'short']],
    [['', secret]],
    [[secret, 1_234_567_890_123_456]],
  ])('is what PagerDuty showed, and not %p', (value) => {
    expect(refusal(value).message).toContain('is not what PagerDuty showed')
    expect(refusal(value).message).not.toContain(secret)
  })

  test('that is a long number is none', () => {
    expect(refusal(1_234_567_890_123_456).message).toContain('is required')
  })

  test('is looked at each time a function gives it', async () => {
    const given: (string | string[])[] = [secret, 'short', []]
    const source = secretSource(() => given.shift() ?? secret)
    expect(await source()).toEqual([secret])
    await expect(source()).rejects.toThrow('is not what PagerDuty showed')
    await expect(source()).rejects.toThrow('is required')
    expect(await source()).toEqual([secret])
  })

  test('does not change with the list it came in', async () => {
    const list = [secret]
    const source = secretSource(list)
    list.push('another')
    expect(await source()).toEqual([secret])
  })
})
