// jose is ESM only. The build replaces this file by a CommonJS bundle of just these functions, with jose's licence, so
// that the package loads in a CommonJS Jest too.
export { createLocalJWKSet, errors, jwtVerify } from 'jose'
