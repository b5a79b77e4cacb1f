/** What people take along: reports as CSV, the audit log, asset lists, labels. Read by programs that are not ours. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { python } from '../python.mjs';
import { goTo, isSound } from '../scene.mjs';
import { word } from '../words.mjs';

const READ_CSV = `
import csv, json, sys
with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:
    print(json.dumps(list(csv.reader(file))))
`;
const READ_WORKBOOK = `
import json, sys
import openpyxl
book = openpyxl.load_workbook(open(sys.argv[1], "rb"), read_only=True)
rows = book.worksheets[0].iter_rows(values_only=True)
print(json.dumps([["" if cell is None else str(cell) for cell in row] for row in rows]))
`;
const READ_CODES = `
import io, json, sys
import zxingcpp
from PIL import Image
picture = Image.open(io.BytesIO(sys.stdin.buffer.read()))
print(json.dumps([code.text for code in zxingcpp.read_barcodes(picture)]))
`;

export function reports(scene) {
  /** The file that a click brings. */
  const download = async (page, click) => {
    const [coming] = await Promise.all([page.waitForEvent('download'), click()]);
    assert.equal(await coming.failure(), null);
    return { name: coming.suggestedFilename(), path: await coming.path() };
  };
  const table = (script, path) => JSON.parse(python(script, [path]));

  test('the report as CSV has the figures of the screen', async () => {
    const { admin } = scene;
    const say = (key, values) => word('en', 'reports', key, values);
    await goTo(admin, '/reports?by=device');
    const lines = admin.getByRole('table').getByRole('row');
    await lines.filter({ hasText: '通道不间断电源' }).waitFor();
    const shown = await lines.evaluateAll((rows) =>
      rows.slice(1).map((row) => [...row.cells].map((cell) => cell.textContent.trim())),
    );
    const file = await download(admin, () => admin.getByRole('button', { name: say('download') }).click());
    assert.match(file.name, /^availability-.*\.csv$/);
    const [head, ...rows] = table(READ_CSV, file.path);
    assert.equal(rows.length, shown.length);
    const at = head.indexOf(say('column.availability'));
    for (const [row, cells] of rows.map((row, index) => [row, shown[index]])) {
      const percent = cells.find((cell) => /^(\d+(\.\d+)? %|—)$/.test(cell));
      const share =
        row[at] === '' ? '—' : `${(Math.floor(Number(row[at]) * 10_000 + 1e-6) / 100).toFixed(2)} %`;
      assert.equal(share.replace('100.00', '100'), percent, `${row[0]}: ${row[at]}`);
      assert.ok(row[0].startsWith(cells[0]), `${row[0]} stands where the screen has ${cells[0]}`);
    }
    isSound(admin);
  });

  test('the audit log as a file has every entry, and only those that were asked for', async () => {
    const { admin, stage } = scene;
    const say = (key, values) => word('en', 'audit', key, values);
    await goTo(admin, '/audit?action=signed-in');
    const link = admin.getByRole('link', { name: say('export') });
    const file = await download(admin, () => link.click());
    const entries = readFileSync(file.path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { items } = await stage.api('/audit?action=signed-in&limit=500');
    assert.deepEqual(entries.map(({ id }) => id).sort(), items.map(({ id }) => id).sort());
    assert.ok(entries.length > 0 && entries.every(({ action }) => action === 'signed-in'));
    await admin.getByRole('button', { name: say('check') }).click();
    await admin
      .getByRole('dialog')
      .getByText(/The chain is whole/)
      .waitFor();
    isSound(admin);
  });

  test('the asset list opens as a workbook and as a table, with the same rows', async () => {
    const { admin, stage } = scene;
    const say = (key, values) => word('en', 'assets', key, values);
    await goTo(admin, '/assets');
    const read = async (format, script) => {
      await admin.getByRole('button', { name: say('export'), exact: true }).click();
      const item = admin.getByRole('menuitem', { name: say(`format.${format}`) });
      const file = await download(admin, () => item.click());
      assert.ok(file.name.endsWith(`.${format}`), file.name);
      return table(script, file.path);
    };
    const [workbook, csv] = [await read('xlsx', READ_WORKBOOK), await read('csv', READ_CSV)];
    assert.deepEqual(workbook, csv);
    const { items } = await stage.api('/assets?limit=500');
    assert.equal(csv.length - 1, items.length);
    const names = new Set(csv.slice(1).flat());
    for (const asset of items) assert.ok(names.has(asset.name), `${asset.name} is missing`);
    isSound(admin);
  });

  test('labels of the chosen assets are a sheet whose codes can be read', async () => {
    const { admin, stage } = scene;
    const say = (key, values) => word('en', 'assets', key, values);
    await goTo(admin, '/assets');
    const rows = admin.getByRole('grid').getByRole('row');
    await rows.getByRole('checkbox').nth(2).waitFor();
    for (const at of [1, 2]) await rows.getByRole('checkbox').nth(at).click();
    const link = admin.getByRole('link', { name: say('labelsOf', { count: 2 }) });
    const [sheet] = await Promise.all([admin.context().waitForEvent('page'), link.click()]);
    await sheet.waitForLoadState();
    const codes = JSON.parse(python(READ_CODES, [], await sheet.screenshot({ fullPage: true })));
    assert.equal(codes.length, 2, `${codes}`);
    const { items } = await stage.api('/assets?limit=500');
    const found = codes.map((code) => items.find(({ id }) => code.endsWith(id))?.name);
    assert.ok(
      found.every((name) => name),
      `${codes} are no assets`,
    );
    for (const name of found) await sheet.getByText(name).first().waitFor();
    await sheet.close();
    isSound(admin);
  });
}
