declare module 'passport-oauth2' {
  const Strategy: unknown
  export default Strategy
}
declare module 'cookie' {
  export function parse(header: string): Record<string, string | undefined>
}
declare module 'cookie-signature' {
  export function unsign(signed: string, secret: string): string | false
}
