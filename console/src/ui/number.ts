/** Numbers with their units. */
import type { Value } from '../api/types';

const formats = new Map<number, Intl.NumberFormat>();

function format(decimals: number): Intl.NumberFormat {
  let found = formats.get(decimals);
  if (!found) {
    found = new Intl.NumberFormat('en-US', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    formats.set(decimals, found);
  }
  return found;
}

/** A number with the decimals it usually has; more digits would claim what nobody measured. */
export function numberText(value: number, decimals = 0): string {
  return format(Math.min(Math.max(decimals, 0), 10)).format(value);
}

/** What stands behind a number: nothing for plain numbers, whose unit is written `1`. */
export function unitText(unit: string): string {
  return unit === '1' || unit === '' ? '' : unit;
}

/** A value as text, without its unit. */
export function valueText(value: Value | undefined, decimals = 0): string {
  if (value === null || value === undefined) return '—';
  if (typeof value === 'number') return numberText(value, decimals);
  return String(value);
}

/** 0.99712 → 99.71 %, cut, so that 99.999 % never reads as 100 %. */
export function shareText(share: number | null | undefined): string {
  if (share === null || share === undefined || Number.isNaN(share)) return '—';
  const percent = Math.floor(share * 10_000 + 1e-6) / 100;
  return `${percent === 100 ? '100' : percent.toFixed(2)} %`;
}

/** 12_345_678 → 11.8 MiB */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = bytes;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}
