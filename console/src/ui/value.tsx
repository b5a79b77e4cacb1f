/** A value with its unit. */
import type { Value } from '../api/types';
import { useWords } from '../i18n/words';
import { unitText, valueText } from './number';

interface ValueProps {
  value: Value | undefined;
  unit?: string;
  decimals?: number;
}

export function ValueWithUnit({ value, unit = '', decimals = 0 }: ValueProps) {
  const words = useWords();
  if (value === null || value === undefined) return <span className="k-dim">—</span>;
  if (typeof value !== 'number') return <span>{words.state(String(value))}</span>;
  const behind = unitText(unit);
  return (
    <span className="k-num">
      {valueText(value, decimals)}
      {behind && <span className="k-unit"> {behind}</span>}
    </span>
  );
}
