import type { Request } from 'express'
import { bearerToken } from './bearer'
import type { Parts } from './parts'
import { issuer } from './token-endpoint'
import type { Reply } from './wire'

/** The discovery document. Its issuer is not the host it is served from, at PagerDuty neither. */
export function openIDConfiguration({ origin }: Parts): Reply {
  return {
    status: 200,
    body: {
      issuer,
      authorization_endpoint: `${origin}/global/oauth/authorize`,
      token_endpoint: `${origin}/global/oauth/token`,
      revocation_endpoint: `${origin}/global/oauth/revoke`,
      userinfo_endpoint: `${origin}/global/oauth/userinfo`,
      jwks_uri: `${origin}/global/oauth/anonymous/jwks`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['client_secret_post'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    },
  }
}

export async function jwks({ signer }: Parts): Promise<Reply> {
  return { status: 200, body: await signer.jwks() }
}

/** Undocumented at PagerDuty, but named in its discovery document. */
export function userinfo(parts: Parts, req: Request): Reply {
  const { account, user } = bearerToken(parts, req).delegation
  return {
    status: 200,
    body: { sub: user?.id, user_id: user?.id, account_id: account.id, subdomain: account.subdomain },
  }
}
