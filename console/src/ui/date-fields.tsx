/** Dates and times, typed in one format in both languages and all browsers, or chosen from a calendar. */
import '@mantine/dates/styles.css';
import { TextInput } from '@mantine/core';
import { DateInput, type DateInputProps, DatesProvider } from '@mantine/dates';
import 'dayjs/locale/zh-cn';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { clockOf, dateOf, momentOf } from './date-text';
import { localMs, localText } from './time';

type Look = Pick<
  DateInputProps,
  'label' | 'required' | 'size' | 'w' | 'clearable' | 'leftSection' | 'leftSectionWidth'
> & { 'aria-label'?: string };

function Calendar(props: DateInputProps) {
  const { t, i18n } = useTranslation('common');
  return (
    <DatesProvider settings={{ locale: i18n.language === 'zh' ? 'zh-cn' : 'en', firstDayOfWeek: 1 }}>
      <DateInput
        {...props}
        clearButtonProps={{ 'aria-label': t('clear') }}
        ariaLabels={{ previousMonth: t('date.before'), nextMonth: t('date.after') }}
        // Escape closes the calendar, and not the dialog around it.
        data-mantine-stop-propagation="true"
      />
    </DatesProvider>
  );
}

interface DateFieldProps extends Look {
  /** `2026-11-22`. */
  value: string | null;
  onChange: (date: string | null) => void;
}

/** A day. */
export function DateField({ value, onChange, ...look }: DateFieldProps) {
  const { t } = useTranslation('common');
  return (
    <Calendar
      clearable
      {...look}
      placeholder={t('date.day')}
      valueFormat={(date) => date.slice(0, 10)}
      dateParser={dateOf}
      value={value}
      onChange={onChange}
    />
  );
}

interface MomentFieldProps extends Look {
  ms: number | null;
  /** In whose time it is shown and typed. */
  zone: string;
  onChange: (ms: number | null) => void;
}

/** A minute of a day in the zone of a site. */
export function MomentField({ ms, zone, onChange, ...look }: MomentFieldProps) {
  const { t } = useTranslation('common');
  const value = ms === null ? null : localText(ms, zone);
  const take = (local: string | null) => {
    if (local === null) return onChange(null);
    // A day from the calendar keeps the time that stood there.
    const whole = local.length > 10 ? local : `${local} ${value?.slice(11, 16) ?? '00:00'}`;
    onChange(localMs(whole, zone));
  };
  return (
    <Calendar
      {...look}
      withTime
      placeholder={t('date.moment')}
      valueFormat={(local) => local.slice(0, 16)}
      dateParser={momentOf}
      value={value}
      onChange={take}
    />
  );
}

interface ClockFieldProps {
  label: string;
  value: string;
  onChange: (clock: string) => void;
}

/** A time of day, `22:00`. */
export function ClockField({ label, value, onChange }: ClockFieldProps) {
  const { t } = useTranslation('common');
  const [isLeft, setLeft] = useState(false);
  return (
    <TextInput
      label={label}
      required
      inputMode="numeric"
      placeholder={t('date.clock')}
      maxLength={5}
      value={value}
      error={isLeft && clockOf(value) === null && t('date.clockHelp')}
      onChange={(event) => onChange(event.currentTarget.value)}
      onBlur={() => {
        setLeft(true);
        const clock = clockOf(value);
        if (clock !== null && clock !== value) onChange(clock);
      }}
    />
  );
}
