import { describe, expect, it } from 'vitest';
import { DARK, LIGHT, SHELL, type Tokens } from './tokens';

function luminance(hex: string): number {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
  const [r = 0, g = 0, b = 0] = parts.map((part) =>
    part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [bright = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dark + 0.05);
}

const SCHEMES: [string, Tokens][] = [
  ['light', LIGHT],
  ['dark', DARK],
];

describe.each(SCHEMES)('contrast in the %s scheme', (_, tokens) => {
  const texts = ['ink', 'dim', 'accent', 'ok', 'warn', 'serious', 'bad', 'calm', 'off'] as const;

  it.each(texts)('%s can be read on every ground', (name) => {
    for (const ground of [tokens.ground, tokens.surface, tokens.raised]) {
      expect(contrast(tokens[name], ground)).toBeGreaterThanOrEqual(4.5);
    }
  });

  it.each(['ok', 'warn', 'serious', 'bad', 'calm', 'off', 'accent'] as const)(
    '%s can be read on its own ground',
    (name) => {
      expect(contrast(tokens[name], tokens[`${name}Soft`])).toBeGreaterThanOrEqual(4.5);
    },
  );
});

it('the navigation can be read', () => {
  for (const ground of [SHELL.ground, SHELL.hover, SHELL.active]) {
    expect(contrast(SHELL.ink, ground)).toBeGreaterThanOrEqual(4.5);
  }
  expect(contrast(SHELL.dim, SHELL.ground)).toBeGreaterThanOrEqual(4.5);
});
