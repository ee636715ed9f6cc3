// The pages as people see them, in headless Chromium: node pages.mjs FOLDER, with settings in FOLDER/settings.json. Prints what it saw as JSON, and leaves a
// picture of each page in FOLDER.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const folder = process.argv[2];
const settings = JSON.parse(readFileSync(join(folder, 'settings.json')));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const seen = { complaints: [], accessibility: [], overflows: [] };

const browser = await chromium.launch({
  executablePath: settings.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function open(options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: settings.issuer, viewport: { width: 360, height: 740 }, ...options });
  // Where a client would be.
  await context.route('http://127.0.0.1:8123/**', route => route.fulfill({ contentType: 'text/html', body: '<!DOCTYPE html><title>back at the client</title>' }));
  const page = await context.newPage();
  page.on('console', message => { if (['error', 'warning'].includes(message.type()) && !/status of (4|5)\d\d/.test(message.text())) seen.complaints.push(message.text()); });
  page.on('pageerror', error => seen.complaints.push(String(error)));
  return page;
}

// What a page looks like, to eyes and to tools that stand in for them, by day and by night.
async function look(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`), fullPage: true });
    const { violations } = await page.evaluate(`${axe}; axe.run()`);
    seen.accessibility.push(...violations.map(v => `${name}: ${v.id}: ${v.nodes[0].html}`));
  }
  if (await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)) seen.overflows.push(name);
}

async function signIn(page, password = settings.password) {
  await page.getByLabel('Name').fill('');
  await page.getByLabel('Name').focus();
  await page.keyboard.type(settings.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  const answered = page.waitForEvent('load');
  await page.keyboard.press('Enter');
  await answered;
}

const page = await open();
await page.goto('/account');
seen.redirectedTo = new URL(page.url()).pathname;
// A provider that is not there.
await page.getByRole('link', { name: 'Example' }).click();
seen.away = await page.getByRole('alert').textContent();
await look(page, 'identity-provider-away');
await page.getByRole('link', { name: 'Sign in another way' }).click();
await look(page, 'login');
// By the keyboard alone.
seen.focused = await page.evaluate(() => document.activeElement.id);
await signIn(page, 'not the password');
seen.wrong = await page.getByRole('alert').textContent();
await look(page, 'login-wrong');
await signIn(page);
seen.account = await page.getByRole('heading', { level: 1 }).textContent();

// A script that somebody smuggled in.
seen.scriptRan = await page.addScriptTag({ content: 'window.smuggled = true' }).then(() => page.evaluate(() => window.smuggled === true), () => false);
seen.complaints = seen.complaints.filter(text => !text.includes("script-src"));
const [cookie] = (await page.context().cookies()).filter(c => c.name === '__Host-session');
seen.cookie = { httpOnly: cookie.httpOnly, secure: cookie.secure, sameSite: cookie.sameSite };

// On another device, until one is signed out there.
const other = await open({ userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' });
await other.goto('/account');
await signIn(other);
await page.reload();
await look(page, 'account');
seen.sessions = await page.getByRole('list').first().getByRole('listitem').count();
await page.getByRole('button', { name: 'Sign out there: Firefox on Linux' }).click();
seen.notice = await page.getByRole('status').textContent();
await other.reload();
seen.otherEndedAt = new URL(other.url()).pathname;

await page.getByLabel('Current password').fill(settings.password);
await page.getByLabel('New password').fill('passwordpassword');
await page.getByRole('button', { name: 'Change password' }).click();
seen.weak = await page.getByRole('alert').textContent();
await page.getByLabel('Current password').fill(settings.password);
await page.getByLabel('New password').fill(settings.nextPassword);
await page.getByRole('button', { name: 'Change password' }).click();
seen.changed = await page.getByRole('status').textContent();

await page.goto(settings.authorizeUrl);
seen.consent = await page.getByRole('heading', { level: 1 }).textContent();
await look(page, 'consent');
await page.getByRole('button', { name: 'Allow', exact: true }).click();
await page.waitForURL('http://127.0.0.1:8123/**');
seen.backWith = [...new URL(page.url()).searchParams.keys()];

// What acts for somebody, until it does no more: the client redeems its code as clients do.
const token = await page.request.post('/oauth2/token', { form: {
  grant_type: 'authorization_code', client_id: 'web', code: new URL(page.url()).searchParams.get('code'), redirect_uri: 'http://127.0.0.1:8123/callback', code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' } });
seen.token = token.status();
await page.goto('/account');
await look(page, 'account-full');
await page.getByRole('button', { name: 'Remove Document Viewer' }).click();
seen.removed = await page.getByRole('status').textContent();
seen.devicesLeft = await page.getByRole('heading', { name: 'Applications with access to your account' }).count();
seen.ways = await page.getByRole('link', { name: 'Link Example' }).count();

await page.goto('/device');
await look(page, 'device');
await page.getByLabel('The code that the device shows').fill('0000-0000-0000');
await page.getByRole('button', { name: 'Continue' }).click();
seen.noSuchCode = await page.getByRole('alert').textContent();

await page.goto('/account');
await page.getByRole('button', { name: 'Sign out', exact: true }).click();
seen.signedOut = await page.getByRole('heading', { level: 1 }).textContent();
await look(page, 'signed-out');

// From the beginning, by way of a client: the form of the sign-in page ends at the client.
await page.goto(settings.authorizeUrl);
await signIn(page, settings.nextPassword);
// Any program can use the id of a native client: what was allowed before was allowed once.
await page.getByRole('button', { name: 'Allow', exact: true }).click();
await page.waitForURL('http://127.0.0.1:8123/**');
await browser.close();
console.log(JSON.stringify(seen));
