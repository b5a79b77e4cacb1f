/** Colours of lines and states, told apart also by people who see few colours. */

/** Left of every chart and band, so that they stand under each other. */
export const AXIS_PX = 56;

export const LINE_COLOURS = {
  light: ['#046472', '#b3540a', '#5b3f9e', '#2f7a2f', '#a8215c', '#5a6b00'],
  dark: ['#58b9c4', '#f0a45d', '#b39df0', '#7fd07f', '#f48ab2', '#c6d04e'],
} as const;

const BAD = new Set([
  'fault',
  'alarm',
  'failed',
  'error',
  'bad',
  'lost',
  'tripped',
  'leak',
  'stuck',
  'overload',
]);
const GOOD = new Set(['ok', 'normal', 'good', 'mains', 'working', 'passed', 'durable', 'online']);
const QUIET = new Set(['off', 'no', 'closed', '0', 'idle', 'standby', 'none', 'inactive']);
const OTHERS = ['var(--k-accent)', '#8a6fd1', '#4c8fd6', '#b58d2a', '#c06a9a', '#5aa05a'];

/** The colour of a state: by what it means where that is known, else its own among some. */
export function stateColour(word: string, words: readonly string[]): string {
  if (word === '(bad)') return 'url(#no-reading)';
  if (BAD.has(word)) return 'var(--k-bad)';
  if (GOOD.has(word)) return 'color-mix(in srgb, var(--k-ok) 70%, var(--k-surface))';
  if (QUIET.has(word)) return 'color-mix(in srgb, var(--k-off) 40%, var(--k-surface))';
  const others = words
    .filter((each) => !BAD.has(each) && !GOOD.has(each) && !QUIET.has(each) && each !== '(bad)')
    .sort();
  return OTHERS[Math.max(0, others.indexOf(word)) % OTHERS.length] ?? 'var(--k-accent)';
}
