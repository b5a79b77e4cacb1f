/** Names of points, put together from the words of their parts. */

/** What a dictionary says to a key, or nothing. */
export type Look = (key: string) => string | undefined;

/** A part that a name is clearer without. */
const NOTHING = '-';

/** What must not stand in a key of a dictionary. */
export function keyOf(code: string): string {
  return code.replace(/[.:]/g, '_');
}

/**
 * `battery.voltage` is found whole, or as `battery` and `voltage`; `relay.3` keeps its number. A name with a part that
 * nobody translated is shown as it is: half a translation would name something else.
 */
export function pointName(code: string, whole: Look, part: Look, isChinese: boolean): string {
  const known = whole(keyOf(code));
  if (known !== undefined) return known;
  const parts = code
    .split('.')
    .map((each) => (/^(\d+|l\d(-l\d)?)$/.test(each) ? each.toUpperCase() : part(each)));
  // Names that somebody gave (a network card, a process) stay as they are between words that are known.
  const texts = parts.map(
    (text, at) => text ?? (at > 0 && at < parts.length - 1 ? code.split('.')[at] : undefined),
  );
  if (texts.some((text) => text === undefined)) return code;
  const filled = texts.filter((text): text is string => text !== undefined && text !== NOTHING);
  if (filled.length === 0) return code;
  if (!isChinese) {
    const text = filled.join(' ');
    return text.charAt(0).toUpperCase() + text.slice(1);
  }
  // Between Chinese and anything else stands a blank, between Chinese words none.
  return filled.reduce((left, right) => {
    const meets = /：$/.test(left) || (/[\u3000-\u9fff]$/.test(left) && /^[\u3000-\u9fff]/.test(right));
    return meets ? left + right : `${left} ${right}`;
  });
}
