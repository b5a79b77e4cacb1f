/** What else there is to say of an alarm, in small words under its text. */
import { Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { IconDown } from '../../ui/icons';
import { timeText } from '../../ui/time';
import { ValueWithUnit } from '../../ui/value';
import { useZone } from '../../ui/zone';
import classes from './desk.module.css';
import type { Alarm } from './types';

interface MarksProps {
  alarm: Alarm;
  isUnfolded: boolean;
  onUnfold?: (() => void) | undefined;
}

export function Marks({ alarm, isUnfolded, onUnfold }: MarksProps) {
  const { t } = useTranslation('alarms');
  const zone = useZone(alarm.site);
  const decimals = typeof alarm.value === 'number' && !Number.isInteger(alarm.value) ? 1 : 0;
  return (
    <div className={classes.sub}>
      {alarm.hides > 0 && (
        <button
          type="button"
          className={classes.hides}
          tabIndex={-1}
          aria-expanded={isUnfolded}
          aria-label={isUnfolded ? t('hidden.fold') : t('hidden.show', { count: alarm.hides })}
          onClick={(event) => {
            event.stopPropagation();
            onUnfold?.();
          }}
        >
          {t('mark.hides', { count: alarm.hides })}
          <IconDown size={12} className={classes.fold} data-folded={!isUnfolded || undefined} />
        </button>
      )}
      {alarm.state !== 'raised' && <span className={classes.mark}>{t(`state.${alarm.state}`)}</span>}
      {alarm.value !== null && (
        <span className={classes.mark}>
          <ValueWithUnit value={alarm.value} unit={alarm.unit} decimals={decimals} />
        </span>
      )}
      {alarm.flapping && (
        <Tooltip label={t('mark.flappingHelp')}>
          <span className={classes.mark} data-tone="warn">
            ⇅ {t('mark.flapping')}
          </span>
        </Tooltip>
      )}
      {alarm.count > 1 && <span className={classes.mark}>{t('mark.count', { count: alarm.count })}</span>}
      {alarm.shelved_until_ms !== null && (
        <Tooltip label={t('mark.shelvedBy', { name: alarm.shelved_by, reason: alarm.shelve_reason })}>
          <span>
            {t('mark.shelvedUntil', { time: timeText(alarm.shelved_until_ms, zone, 'short') })}
            {alarm.shelve_reason && ` · ${alarm.shelve_reason}`}
          </span>
        </Tooltip>
      )}
      {alarm.maintenance && <span className={classes.mark}>{t('mark.maintenance')}</span>}
      {alarm.comments > 0 && (
        <span className={classes.mark}>{t('mark.comments', { count: alarm.comments })}</span>
      )}
      {alarm.acknowledged_by && (
        <span className={classes.mark}>{t('mark.acknowledged', { name: alarm.acknowledged_by })}</span>
      )}
    </div>
  );
}
