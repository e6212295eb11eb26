// oidc-provider on 127.0.0.1, for the tests: whoever follows its redirects is signed in and consents.
//
// Its one argument is JSON (all members optional): accessTokenTtl, refreshTokenTtl and deviceCodeTtl in seconds, rotate
// (default true), and key, the public JWK of the client `signing`. The first line on standard output is {"issuer": ...}; every request adds one line with its endpoint,
// grant type, client and status, and never a token. It ends when its standard input does, so a test that dies
// leaves nothing behind.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

// The library's notices go to standard error: standard output is for the test.
console.info = console.warn = console.error;
const { default: Provider } = await import('oidc-provider');

const options = { accessTokenTtl: 60, refreshTokenTtl: 3600, deviceCodeTtl: 300, rotate: true };
Object.assign(options, JSON.parse(process.argv[2] ?? '{}'));

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const native = {
  application_type: 'native',
  // For native applications it accepts any port (RFC 8252 section 7.3).
  redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost/callback'],
  grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
  response_types: ['code'],
};
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const configuration = {
  clients: [
    { ...native, client_id: 'native', token_endpoint_auth_method: 'none' },
    { ...native, client_id: 'basic', client_secret: 'basic: secret/+%', token_endpoint_auth_method: 'client_secret_basic' },
    { ...native, client_id: 'post', client_secret: 'post secret', token_endpoint_auth_method: 'client_secret_post' },
    {
      client_id: 'robot', client_secret: 'robot secret', grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], scope: 'api:read',
    },
    ...(options.key ? [{
      ...native, client_id: 'signing', grant_types: [...native.grant_types, 'client_credentials'],
      token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [options.key] }, scope: 'openid offline_access api:read',
    }] : []),
  ],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'ES256', 'EdDSA', 'Ed25519'] },
  jwks: { keys: [privateKey.export({ format: 'jwk' })] },
  cookies: { keys: ['not a secret: this server lives as long as one test'] },
  scopes: ['openid', 'offline_access', 'email', 'profile', 'api:read', 'api:write'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  // So that ID tokens carry e-mail and name, as most providers' do.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (ctx, resource) => ({
        scope: 'api:read api:write', audience: resource, accessTokenFormat: 'jwt',
        accessTokenTTL: options.accessTokenTtl, jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  ttl: {
    AccessToken: options.accessTokenTtl, IdToken: options.accessTokenTtl, RefreshToken: options.refreshTokenTtl,
    DeviceCode: options.deviceCodeTtl, AuthorizationCode: 60, Grant: 3600, Interaction: 600, Session: 3600,
  },
  rotateRefreshToken: options.rotate,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: async () => false,
  findAccount: async (ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: 'Ada Lovelace' }),
  }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
};

// The port is part of the issuer, so it has to be known first.
const server = createServer();
await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration);

provider.use(async (ctx, next) => {
  try {
    await (ctx.path.startsWith('/interaction/') ? approve(ctx) : next());
  } finally {
    print({
      endpoint: ctx.oidc?.route ?? ctx.path.split('/')[1],
      grant_type: ctx.oidc?.params?.grant_type,
      client: ctx.oidc?.client?.clientId,
      status: ctx.status,
    });
  }
});

// Signs in as `ada` and consents to everything that is asked for.
async function approve(ctx) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  let result;
  if (prompt.name === 'login') {
    result = { login: { accountId: 'ada' } };
  } else {
    const { accountId } = session;
    const grant = (grantId && await provider.Grant.find(grantId))
      || new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
    grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
    for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    result = { consent: { grantId: await grant.save() } };
  }
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }));
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

server.on('request', provider.callback());
process.stdin.resume().on('end', () => process.exit(0));
print({ issuer });
