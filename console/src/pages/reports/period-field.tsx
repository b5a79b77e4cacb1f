/** The day, month or year of a report, typed in one format in both languages. */
import { TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { DateField } from '../../ui/date-fields';
import { isPeriod, type Period } from './period';

interface PeriodFieldProps {
  period: Period;
  at: string;
  /** The present one; there is nothing to tell of later ones. */
  present: string;
  onChange: (at: string) => void;
}

export function PeriodField({ period, at, present, onChange }: PeriodFieldProps) {
  const { t } = useTranslation('reports');
  const [typed, setTyped] = useState(at);
  useEffect(() => setTyped(at), [at]);
  const take = (text: string | null) => {
    if (text !== null && isPeriod(period, text) && text <= present) onChange(text);
  };
  const label = t(`period.${period}`);
  if (period === 'day') {
    return <DateField size="xs" w={130} clearable={false} aria-label={label} value={at} onChange={take} />;
  }
  return (
    <TextInput
      size="xs"
      w={period === 'year' ? 80 : 100}
      aria-label={label}
      inputMode="numeric"
      placeholder={t(`format.${period}`)}
      maxLength={at.length}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        take(event.currentTarget.value);
      }}
      // What is no period is not kept: the page shows what the field says.
      onBlur={() => setTyped(at)}
    />
  );
}
