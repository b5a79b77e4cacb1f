export type DeskAction =
  | 'next'
  | 'previous'
  | 'first'
  | 'last'
  | 'select'
  | 'select-all'
  | 'clear'
  | 'acknowledge'
  | 'shelve'
  | 'comment'
  | 'assign'
  | 'close'
  | 'unfold'
  | 'open'
  | 'search'
  | 'mute'
  | 'help';

/** Keys of the desk, in the order in which the help shows them. */
export const KEYS: readonly { action: DeskAction; keys: readonly string[] }[] = [
  { action: 'next', keys: ['j', 'ArrowDown'] },
  { action: 'previous', keys: ['k', 'ArrowUp'] },
  { action: 'first', keys: ['Home'] },
  { action: 'last', keys: ['End'] },
  { action: 'select', keys: ['x'] },
  { action: 'select-all', keys: ['X'] },
  { action: 'clear', keys: ['Escape'] },
  { action: 'acknowledge', keys: ['a'] },
  { action: 'shelve', keys: ['s'] },
  { action: 'comment', keys: ['c'] },
  { action: 'assign', keys: ['g'] },
  { action: 'close', keys: ['e'] },
  { action: 'unfold', keys: ['o'] },
  { action: 'open', keys: ['Enter'] },
  { action: 'search', keys: ['/'] },
  { action: 'mute', keys: ['m'] },
  { action: 'help', keys: ['?'] },
];

const BY_KEY = new Map(KEYS.flatMap(({ action, keys }) => keys.map((key) => [key, action] as const)));

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  /** Somebody is typing, or a dialog is open, or the key belongs to the button under the focus. */
  isTaken: boolean;
}

/** What a key means on the desk; `null` when it is not the desk's. */
export function actionOf(press: KeyPress): DeskAction | null {
  if (press.isTaken || press.ctrlKey || press.metaKey || press.altKey) return null;
  return BY_KEY.get(press.key) ?? null;
}

/** Where the focus is after a step; it stays inside the list. */
export function moved(action: DeskAction, at: number, count: number): number {
  if (count === 0) return -1;
  if (action === 'first') return 0;
  if (action === 'last') return count - 1;
  const step = action === 'next' ? 1 : action === 'previous' ? -1 : 0;
  return Math.min(count - 1, Math.max(0, at + step));
}
