// Where the apps log in, and what they ask for.
export const scope = 'incidents.read'
export const secret = process.env.SESSION_SECRET
export const provider = {
  url: process.env.PAGERDUTY_IDENTITY_URL,
  clientID: process.env.PAGERDUTY_CLIENT_ID,
  clientSecret: process.env.PAGERDUTY_CLIENT_SECRET,
}
