import { useTranslation } from 'react-i18next';
import { crossesMidnight, type Repeat } from './types';

/** A repetition in words: 每周一、周三 22:00–02:00（次日）. */
export function useRepeatText(): (repeat: Repeat) => string {
  const { t } = useTranslation('maintenance');
  return (repeat) => {
    const name = (day: number) =>
      repeat.kind === 'weekly' ? t(`weekday.${day}`) : t('repeat.monthDay', { day });
    const days = (repeat.days ?? []).map(name).join(t('repeat.separator'));
    const main = t(`repeat.${repeat.kind}`, { from: repeat.from, to: repeat.to, days });
    const next = crossesMidnight(repeat) ? t('repeat.nextDay') : '';
    return `${main}${next}${repeat.until ? t('repeat.until', { date: repeat.until }) : ''}`;
  };
}
