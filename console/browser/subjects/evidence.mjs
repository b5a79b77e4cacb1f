/** Evidence pictures: added, looked at, removed; and what an asset hangs on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { choose, field, goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

/** A picture that cannot be made small by leaving out nothing: of `noise` each point differs from the next. */
async function painted(page, width, height, noise) {
  const text = await page.evaluate(
    async ([width, height, noise]) => {
      const canvas = new OffscreenCanvas(width, height);
      const brush = canvas.getContext('2d');
      const picture = brush.createImageData(width, height);
      let seed = 1;
      for (let at = 0; at < picture.data.length; at += 1) {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        picture.data[at] = at % 4 === 3 ? 255 : noise ? seed >>> 24 : 80;
      }
      brush.putImageData(picture, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/png' });
      return new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(',')[1]);
        reader.readAsDataURL(blob);
      });
    },
    [width, height, noise],
  );
  return Buffer.from(text, 'base64');
}

export function evidence(scene) {
  const say = (key, values) => word('en', 'evidence', key, values);
  const path = () => `/devices/${scene.ids['gate-1']}?tab=pictures`;
  const add = async (picture, note) => {
    const { admin } = scene;
    await admin.getByRole('button', { name: say('add'), exact: true }).click();
    const dialog = admin.getByRole('dialog');
    const file = { name: 'gate.png', mimeType: 'image/png', buffer: picture };
    await dialog.locator('input[type="file"]').last().setInputFiles(file);
    await dialog.getByRole('img', { name: say('preview') }).waitFor();
    const size = await dialog.getByText(/^(Made smaller|Sent as it is)/).textContent();
    await field(dialog, say('note')).fill(note);
    await dialog.getByRole('button', { name: say('send'), exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    return size;
  };

  test('pictures are added, looked at one after the other, and removed with a reason', async () => {
    const { admin, ids, stage } = scene;
    await goTo(admin, path());
    await admin.getByText(say('empty'), { exact: true }).waitFor();
    const small = await painted(admin, 320, 200, false);
    assert.match(await add(small, 'leaf is bent'), /^Sent as it is/);
    const large = await painted(admin, 2200, 1300, true);
    assert.ok(large.length > 8 << 20, `the large picture has ${large.length} bytes only`);
    assert.match(await add(large, 'whole lane'), /^Made smaller/);

    const tile = (note) => admin.getByRole('img', { name: note, exact: true });
    for (const note of ['leaf is bent', 'whole lane']) {
      await tile(note).scrollIntoViewIfNeeded();
      await until(`${note} to be shown`, () => tile(note).evaluate((image) => image.naturalWidth > 0));
    }
    const { items } = await stage.api(`/evidence?device=${ids['gate-1']}`);
    const [kept, scaled] = ['leaf is bent', 'whole lane'].map((note) =>
      items.find((each) => each.note === note),
    );
    assert.equal(kept.sha256, createHash('sha256').update(small).digest('hex'), 'not a byte is changed');
    assert.deepEqual([kept.width, kept.height, kept.by], [320, 200, 'admin']);
    assert.equal(scaled.media_type, 'image/jpeg');

    const names = items.map(({ note }) => note);
    await tile(names[0]).click();
    const viewer = admin.getByRole('dialog');
    await viewer.getByRole('img', { name: names[0], exact: true }).waitFor();
    await admin.keyboard.press('ArrowRight');
    await viewer.getByRole('img', { name: names[1], exact: true }).waitFor();
    await admin.keyboard.press('Escape');
    await viewer.waitFor({ state: 'hidden' });

    await tile('whole lane').click();
    await viewer.getByRole('button', { name: say('remove'), exact: true }).click();
    const question = admin.getByRole('dialog').filter({ hasText: say('removeText') });
    await question.locator('textarea').fill('shows a face');
    await question.locator('button[type="submit"]').click();
    await question.waitFor({ state: 'hidden' });
    await admin.keyboard.press('Escape');
    await admin
      .getByText(/shows a face/)
      .first()
      .waitFor();
    assert.equal(await tile('whole lane').count(), 0);
    const gone = await fetch(`${stage.url}/api/v1/evidence/${scaled.id}`, {
      headers: { authorization: `Bearer ${stage.key}` },
    });
    assert.equal(gone.status, 410);
    isSound(admin);
  });

  test('a viewer looks at pictures and adds none', async () => {
    const page = await scene.enter('viewer');
    await goTo(page, path());
    await page.getByRole('img', { name: 'leaf is bent', exact: true }).waitFor();
    assert.equal(await page.getByRole('button', { name: say('add'), exact: true }).count(), 0);
    isSound(page);
    await page.context().close();
  });

  test('an asset gets a neighbour with ports, and the neighbour shows it too', async () => {
    const { admin, stage } = scene;
    const speak = (key, values) => word('en', 'assets', key, values);
    const { items } = await stage.api('/assets?limit=100');
    const [gate, relay] = ['旅客智能闸机一', '通道灯光继电器'].map((name) =>
      items.find((each) => each.name === name),
    );
    await goTo(admin, `/assets/${gate.id}`);
    const panel = admin
      .getByRole('region')
      .or(admin.locator('section'))
      .filter({ hasText: speak('connections') })
      .first();
    await panel
      .getByRole('button', { name: speak('editConnections'), exact: true })
      .first()
      .click();
    const dialog = admin.getByRole('dialog');
    await dialog.getByRole('button', { name: speak('addNeighbour'), exact: true }).click();
    await field(dialog, speak('ownPort')).fill('X1');
    await choose(admin, dialog, speak('otherAsset'), relay.name);
    await field(dialog, speak('theirPort')).fill('K3');
    await dialog.locator('button[type="submit"]').click();
    await dialog.waitFor({ state: 'hidden' });
    await admin.getByText('X1 ↔ K3').first().waitFor();
    await goTo(admin, `/assets/${relay.id}`);
    await admin.getByText('K3 ↔ X1').first().waitFor();
    await stage.api(`/assets/${gate.id}`, 'PATCH', { neighbours: [] });
    isSound(admin);
  });
}
