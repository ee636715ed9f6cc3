// A client that is not ours, doing what clients do: node flows.mjs COMMAND FOLDER, with its settings in FOLDER/settings.json, its DPoP key kept in
// FOLDER/key.json, and what came of it printed as JSON. What the control plane refuses is printed as {"error": …}.
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import * as client from 'openid-client';

const [command, folder, ...rest] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(join(folder, 'settings.json')));

// A browser as far as it matters here: cookies, redirects, and forms that somebody fills in.
class Browser {
  cookies = new Map();
  async go(url, options = {}) {
    for (let hops = 0; hops < 20; hops++) {
      if (!url.href.startsWith(settings.issuer)) return { url };
      const response = await fetch(url, { ...options, redirect: 'manual', headers: { ...options.headers, cookie: [...this.cookies].map(c => c.join('=')).join('; ') } });
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
        if (value) this.cookies.set(name, value); else this.cookies.delete(name);
      }
      const location = response.headers.get('location');
      if (!location) return { url, response, text: await response.text() };
      [url, options] = [new URL(location, url), {}];
    }
    throw new Error('too many redirects');
  }
  async submit(page, fields) {
    const decode = text => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#x2B;', '+');
    const body = new URLSearchParams(fields);
    for (const [, tag] of page.text.matchAll(/<input ([^>]*)>/g)) {
      const [name, value] = ['name', 'value'].map(a => new RegExp(`${a}="([^"]*)"`).exec(tag)?.[1]);
      if (name && value !== undefined && !body.has(name)) body.set(name, decode(value));
    }
    return this.go(page.url, { method: 'POST', body });
  }
  async signIn(url, decision) {
    let page = await this.go(url);
    if (page.url.pathname === '/login') page = await this.submit(page, { name: settings.name, password: settings.password });
    if (page.url.pathname === '/consent') page = await this.submit(page, { decision: decision ?? 'allow' });
    return page;
  }
}

async function keyPair() {
  const path = join(folder, 'key.json');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  if (existsSync(path)) {
    const { privateKey, publicKey } = JSON.parse(readFileSync(path));
    return {
      privateKey: await crypto.subtle.importKey('jwk', privateKey, algorithm, true, ['sign']),
      publicKey: await crypto.subtle.importKey('jwk', publicKey, algorithm, true, ['verify']),
    };
  }
  const pair = await client.randomDPoPKeyPair('ES256', { extractable: true });
  writeFileSync(path, JSON.stringify({ privateKey: await crypto.subtle.exportKey('jwk', pair.privateKey), publicKey: await crypto.subtle.exportKey('jwk', pair.publicKey) }));
  return pair;
}

async function assertionKey() {
  const key = await crypto.subtle.importKey('jwk', settings.assertionKey, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return client.PrivateKeyJwt({ key, kid: settings.assertionKey.kid });
}

const config = await client.discovery(new URL(settings.issuer), settings.clientId, undefined, settings.assertionKey ? await assertionKey() : client.None());
const DPoP = settings.dpop ? client.getDPoPHandle(config, await keyPair()) : undefined;
const options = DPoP ? { DPoP } : {};

async function authorize(extra = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: settings.redirectUri, scope: settings.scope, code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce, ...extra,
  });
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce } };
}

const shown = tokens => ({ ...tokens, claims: tokens.claims?.() });

const commands = {
  async login() {
    const { url, checks } = await authorize();
    const { url: callback } = await new Browser().signIn(url);
    return shown(await client.authorizationCodeGrant(config, callback, checks, {}, options));
  },
  // A code, redeemed by whoever comes first, and then again.
  async replay() {
    const { url, checks } = await authorize();
    const { url: callback } = await new Browser().signIn(url);
    const first = await client.authorizationCodeGrant(config, callback, checks, {}, options);
    const second = await client.authorizationCodeGrant(config, callback, checks, {}, options).then(shown, failure => ({ error: failure.error }));
    return { first: shown(first), second };
  },
  async wrongVerifier() {
    const { url, checks } = await authorize();
    const { url: callback } = await new Browser().signIn(url);
    return shown(await client.authorizationCodeGrant(config, callback, { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() }, {}, options));
  },
  async deny() {
    const { url } = await authorize();
    const { url: callback } = await new Browser().signIn(url, 'deny');
    return { error: callback.searchParams.get('error') };
  },
  // What the page says to a request that it does not go back from.
  async page() {
    const { url } = await authorize(JSON.parse(rest[0]));
    const { url: end, response } = await new Browser().go(url);
    return { status: response?.status, path: end.pathname, host: end.hostname, error: end.searchParams.get('error'), error_description: end.searchParams.get('error_description') };
  },
  async silent() {
    const { url } = await authorize({ prompt: 'none' });
    const browser = new Browser();
    const before = (await browser.go(url)).url.searchParams.get('error');
    await browser.signIn((await authorize()).url);
    const { url: again, checks } = await authorize({ prompt: 'none' });
    const { url: callback } = await browser.go(again);
    const tokens = await client.authorizationCodeGrant(config, callback, checks, {}, options);
    return { before, after: shown(tokens) };
  },
  async refresh() { return shown(await client.refreshTokenGrant(config, rest[0], {}, options)); },
  async revoke() { await client.tokenRevocation(config, rest[0]); return {}; },
  async introspect() { return await client.tokenIntrospection(config, rest[0]); },
  async userinfo() { return await client.fetchUserInfo(config, rest[0], rest[1], options); },
  async credentials() { return shown(await client.clientCredentialsGrant(config, { scope: settings.scope }, options)); },
  async logout() {
    const browser = new Browser();
    const { url, checks } = await authorize();
    const { url: callback } = await browser.signIn(url);
    const tokens = await client.authorizationCodeGrant(config, callback, checks, {}, options);
    const end = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: settings.postLogoutRedirectUri, state: 'bye' });
    const { url: after } = await browser.go(end);
    return { after: after.href, tokens: shown(tokens) };
  },
  // Where a second request in the same browser ends, where a silent one does, and where the address ends that a consent led to: as it is, and with another challenge.
  async twice() {
    const browser = new Browser();
    let page = await browser.go((await authorize()).url);
    if (page.url.pathname === '/login') page = await browser.submit(page, { name: settings.name, password: settings.password });
    const first = page.url.pathname;
    const visited = [];
    if (first === '/consent') {
      const seen = globalThis.fetch;
      globalThis.fetch = (url, ...more) => { visited.push(new URL(url)); return seen(url, ...more); };
      page = await browser.submit(page, { decision: 'allow' });
      globalThis.fetch = seen;
    }
    const second = (await browser.go((await authorize()).url)).url.pathname;
    const silent = (await browser.go((await authorize({ prompt: 'none' })).url)).url.searchParams.get('error');
    const noted = visited.find(u => u.searchParams.has('consent_note'));
    if (!noted) return { first, second, silent };
    const same = (await browser.go(noted)).url.pathname;
    const changed = new URL(noted);
    changed.searchParams.set('code_challenge', await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()));
    const other = (await browser.go(changed)).url.pathname;
    return { first, second, silent, same, other };
  },
  // A device that asks three times at once, and once more when it may; and what its user sees meanwhile.
  async devicePolls() {
    const started = await client.initiateDeviceAuthorization(config, { scope: settings.scope });
    const { text } = await new Browser().signIn(new URL(started.verification_uri_complete));
    const answers = [];
    const ask = async () => {
      const body = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: started.device_code, client_id: settings.clientId });
      answers.push((await (await fetch(config.serverMetadata().token_endpoint, { method: 'POST', body })).json()).error);
    };
    for (let i = 0; i < 3; i++) await ask();
    await new Promise(resolve => setTimeout(resolve, 15_500));
    await ask();
    return { interval: started.interval, answers: answers.join(' '), page: text };
  },
  async device() {
    const started = await client.initiateDeviceAuthorization(config, { scope: settings.scope });
    const browser = new Browser();
    let page = await browser.signIn(new URL(started.verification_uri_complete));
    page = await browser.submit(page, { decision: rest[0] ?? 'allow' });
    const polled = client.pollDeviceAuthorizationGrant(config, { ...started, interval: 1 }, {}, options);
    return { page: page.url.search, tokens: shown(await polled) };
  },
};

try {
  console.log(JSON.stringify(await commands[command]()));
} catch (failure) {
  // In the body, or as a challenge (RFC 6750, section 3).
  const said = [failure, failure.cause, failure.cause?.[0]?.parameters].find(part => part?.error);
  if (!said) throw failure;
  console.log(JSON.stringify({ error: said.error, error_description: said.error_description }));
}
