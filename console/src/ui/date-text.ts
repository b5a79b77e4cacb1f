/** Dates and times of day as people type them. What is no date is nothing; nobody's browser guesses. */

const DATE = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/;

function two(text: string): string {
  return text.padStart(2, '0');
}

/** `2026-2-3` or `2026/02/03` as `2026-02-03`; `null` for what is no day. */
export function dateOf(text: string): string | null {
  const [, year = '', month = '', day = ''] = DATE.exec(text.trim()) ?? [];
  if (year === '') return null;
  const date = `${year}-${two(month)}-${two(day)}`;
  const read = new Date(`${date}T00:00:00Z`);
  // The 31st of February is read as a day of March.
  return !Number.isNaN(read.getTime()) && read.toISOString().slice(0, 10) === date ? date : null;
}

/** `8:05`, `0805` or `8：05` as `08:05`; `null` for what is no time of day. */
export function clockOf(text: string): string | null {
  const match = /^(\d{1,2})[:：](\d{2})$/.exec(text.trim()) ?? /^(\d{2})(\d{2})$/.exec(text.trim());
  const [, hour = '', minute = ''] = match ?? [];
  if (hour === '' || Number(hour) > 23 || Number(minute) > 59) return null;
  return `${two(hour)}:${minute}`;
}

/** `2026-11-22 18:03`, with or without seconds, as `2026-11-22 18:03:00`; `null` for what is no moment. */
export function momentOf(text: string): string | null {
  const [date = '', clock = '', more] = text.trim().split(/[\sT]+/);
  const day = dateOf(date);
  const time = clockOf(clock.replace(/^(\d{1,2}:\d{2}):\d{2}$/, '$1'));
  return day === null || time === null || more !== undefined ? null : `${day} ${time}:00`;
}
