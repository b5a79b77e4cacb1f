import { Select } from '@mantine/core';
import { useDurationText } from '../../ui/time-text';

const HOUR = 3_600_000;
const LENGTHS = [1, 2, 4, 8, 24, 72, 168, 720].map((hours) => hours * HOUR);

interface LengthSelectProps {
  label: string;
  ms: number;
  onChange: (ms: number) => void;
}

/** How long something lasts, from an hour to a month. */
export function LengthSelect({ label, ms, onChange }: LengthSelectProps) {
  const text = useDurationText();
  return (
    <Select
      label={label}
      allowDeselect={false}
      value={String(ms)}
      data={LENGTHS.map((each) => ({ value: String(each), label: text(each) }))}
      onChange={(value) => onChange(Number(value))}
    />
  );
}
