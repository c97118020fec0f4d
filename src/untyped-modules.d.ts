declare module 'passport-oauth2' {
  const Strategy: unknown
  export default Strategy
}
