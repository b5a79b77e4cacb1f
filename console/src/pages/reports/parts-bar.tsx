import { Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { shareText } from '../../ui/number';
import { useDurationText } from '../../ui/time-text';
import classes from './reports.module.css';
import { PART_NAMES, sharesOf, type Times } from './types';

/** What a time consists of; `devices` makes the lengths those of a mean device. */
export function PartsBar({ times, devices }: { times: Times; devices: number }) {
  const { t } = useTranslation('reports');
  const durationText = useDurationText();
  const shares = sharesOf(times);
  if (shares.length === 0) return <span className="k-dim">{t('noFigure')}</span>;
  const lines = shares.map(({ name, share, ms }) => {
    return `${t(`column.${name}`)} ${shareText(share)} · ${durationText(ms / Math.max(1, devices))}`;
  });
  const label = (
    <>
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
      {devices > 1 && <div>{t('perDevice')}</div>}
    </>
  );
  return (
    <Tooltip label={label}>
      <div className={classes.bar} role="img" aria-label={lines.join('; ')}>
        {shares.map(({ name, share }) => (
          <span key={name} className={classes[name]} style={{ width: `${share * 100}%` }} />
        ))}
      </div>
    </Tooltip>
  );
}

export function Legend() {
  const { t } = useTranslation('reports');
  return (
    <div className={classes.legend}>
      {PART_NAMES.map((name) => (
        <span key={name}>
          <span className={`${classes.sign} ${classes[name]}`} aria-hidden="true" /> {t(`column.${name}`)}
        </span>
      ))}
    </div>
  );
}
