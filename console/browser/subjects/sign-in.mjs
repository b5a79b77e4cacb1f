/** Signing in at an identity provider that others wrote (`oidc-provider`, certified by the OpenID Foundation). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Provider from 'oidc-provider';
import { isLive, openWindow } from '../browser.mjs';
import { isSound } from '../scene.mjs';
import { word } from '../words.mjs';

const PEOPLE = {
  wang: { preferred_username: 'wang.fang', name: '王芳', groups: ['choir', 'port-operators'] },
  bob: { preferred_username: 'bob', name: 'Bob', groups: ['port-cooks'] },
};

export function signingIn(scene) {
  const folder = mkdtempSync(join(tmpdir(), 'kouan-oidc-'));
  /** What somebody in between changes of the question that the collector asks. */
  const between = { change: null, asked: null };
  let server;

  before(async () => {
    const { stage } = scene;
    server = createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    // Another name than that of the collector, so that the browser takes it for another site.
    const issuer = `http://localhost:${server.address().port}`;
    const secret = randomBytes(24).toString('hex');
    const redirect = `${stage.url}/api/v1/session/oidc/callback`;
    const provider = new Provider(issuer, {
      clients: [{ client_id: 'kouan', client_secret: secret, redirect_uris: [redirect] }],
      scopes: ['openid', 'profile', 'groups'],
      claims: { openid: ['sub'], profile: ['name', 'preferred_username'], groups: ['groups'] },
      conformIdTokenClaims: false,
      pkce: { required: () => true },
      cookies: { keys: [secret] },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
    });
    provider.use((context, next) => {
      if (context.path === '/auth') {
        between.asked = { ...context.query };
        if (between.change) context.query = { ...context.query, ...between.change };
      }
      return next();
    });
    server.on('request', provider.callback());
    writeFileSync(join(folder, 'secret'), secret);
    const settings = `[sign_in.oidc]
issuer = "${issuer}"
client_id = "kouan"
client_secret_file = "${join(folder, 'secret')}"
redirect = "${redirect}"
scopes = ["profile", "groups"]
[[sign_in.oidc.groups]]
group = "port-operators"
roles = ["operator"]
sites = ["demo-checkpoint"]
`;
    const plain = await openWindow(scene.browser, stage);
    await plain.goto('/');
    await plain.locator('input[type="password"]').waitFor();
    assert.equal(await plain.getByRole('link', { name: word('en', 'sign-in', 'provider') }).count(), 0);
    await plain.context().close();
    await stage.say(`collector settings ${JSON.stringify(settings)}`);
  });
  after(async () => {
    server?.closeAllConnections();
    server?.close();
    rmSync(folder, { recursive: true });
  });

  /** Goes to the provider and signs in there; the page that comes of it. */
  const come = async (name) => {
    const page = await openWindow(scene.browser, scene.stage);
    await page.goto('/alarms');
    await page.getByRole('link', { name: word('en', 'sign-in', 'provider') }).click();
    await page.locator('input[name="login"]').fill(name);
    await page.locator('input[name="password"]').fill('any');
    await page.locator('button[type="submit"]').click();
    await page.waitForURL(/interaction/);
    await page.locator('button[type="submit"]').click();
    return page;
  };

  test('somebody signs in at the provider and has the role of a group there', async () => {
    const page = await come('wang');
    await isLive(page);
    const session = await page.evaluate(async () => (await fetch('/api/v1/session')).json());
    assert.deepEqual([session.name, session.display_name], ['wang.fang', '王芳']);
    assert.deepEqual(session.grants, [{ role: 'operator', sites: ['demo-checkpoint'] }]);
    const { asked } = between;
    for (const name of ['state', 'nonce', 'code_challenge']) assert.ok(asked[name]?.length >= 22, name);
    assert.equal(asked.code_challenge_method, 'S256');
    await page.getByRole('link', { name: word('en', 'nav', 'devices'), exact: true }).waitFor();
    assert.equal(await page.getByRole('link', { name: word('en', 'nav', 'people'), exact: true }).count(), 0);
    isSound(page);
    await page.context().close();
  });

  test('somebody whose groups have no role is not let in', async () => {
    const page = await come('bob');
    await page
      .getByRole('alert')
      .getByText(word('en', 'common', 'problem.no-role'))
      .waitFor();
    const status = await page.evaluate(async () => (await fetch('/api/v1/session')).status);
    assert.equal(status, 401);
    await page.context().close();
  });

  for (const [what, change, problem] of [
    ['a token for another question', { nonce: 'somebody-elses-question-0123456789' }, 'identity-provider'],
    ['a code that was asked for by somebody else', { code_challenge: 'Y'.repeat(43) }, 'identity-provider'],
    ['an answer to another browser', { state: 'somebody-elses-state-0123456789' }, 'sign-in-refused'],
  ]) {
    test(`${what} signs nobody in`, async () => {
      between.change = change;
      const page = await come('wang');
      await page
        .getByRole('alert')
        .getByText(word('en', 'common', `problem.${problem}`))
        .waitFor();
      const status = await page.evaluate(async () => (await fetch('/api/v1/session')).status);
      between.change = null;
      assert.equal(status, 401);
      await page.context().close();
    });
  }
}
