/** A value with its unit. */
import type { Value } from '../api/types';
import { useWords } from '../i18n/words';
import { unitText, valueText } from './number';
import { useDurationText } from './time-text';

/** From so many seconds on a length of time is told in minutes and hours. */
const LONG_S = 180;

interface ValueProps {
  value: Value | undefined;
  unit?: string;
  decimals?: number;
}

export function ValueWithUnit({ value, unit = '', decimals = 0 }: ValueProps) {
  const words = useWords();
  const durationText = useDurationText();
  if (value === null || value === undefined) return <span className="k-dim">—</span>;
  if (typeof value !== 'number') return <span>{words.state(String(value))}</span>;
  // Nobody reads 2,540 s at a glance.
  if (unit === 's' && value >= LONG_S) return <span className="k-num">{durationText(value * 1000)}</span>;
  const behind = unitText(unit);
  return (
    <span className="k-num">
      {valueText(value, decimals)}
      {behind && <span className="k-unit"> {behind}</span>}
    </span>
  );
}
