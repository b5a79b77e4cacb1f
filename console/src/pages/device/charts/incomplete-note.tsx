/** Says of which times a chart may lack something. */
import { useTranslation } from 'react-i18next';
import { timeText } from '../../../ui/time';
import classes from './charts.module.css';
import { incompleteOf, type PointSeries } from './series';

/** Stretches that are named; of further ones their number is. */
const SHOWN = 3;

interface IncompleteNoteProps {
  series: readonly PointSeries[];
  zone: string;
}

export function IncompleteNote({ series, zone }: IncompleteNoteProps) {
  const { t } = useTranslation('device');
  const all = incompleteOf(series);
  if (all.length === 0) return null;
  return (
    <ul className={classes['incomplete']} role="status">
      {all.slice(0, SHOWN).map(({ from_ms, to_ms, reason }) => (
        <li key={`${reason}${from_ms}`}>
          {t(`charts.incomplete.${reason}`, {
            from: timeText(from_ms, zone, 'minute'),
            to: timeText(to_ms, zone, 'minute'),
          })}
        </li>
      ))}
      {all.length > SHOWN && <li>{t('charts.incomplete.more', { count: all.length - SHOWN })}</li>}
    </ul>
  );
}
