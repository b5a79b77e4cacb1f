/** How many alarms nobody has seen yet, and the sound they make. */
import { Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { alarmSummaryQuery } from '../api/lists';
import { SEVERITIES } from '../ui/badges';
import { IconAlarm, IconMuted, IconSound } from '../ui/icons';
import { AppLink } from '../ui/link';
import classes from './shell.module.css';
import { useSite } from './site';
import { useAlarmSound, useSound } from './sound';

const SOUND_WORDS = {
  on: 'alarms.soundOff',
  off: 'alarms.soundOn',
  waiting: 'alarms.soundWaits',
} as const;

export function AlarmCounter() {
  const { t } = useTranslation('common');
  const [site] = useSite();
  const { data } = useQuery(alarmSummaryQuery(site));
  const [sound, toggleSound] = useSound();
  useAlarmSound();
  const unseen = SEVERITIES.map((severity) => ({
    severity,
    n: data?.by_severity[severity]?.unacknowledged ?? 0,
  }));
  const total = unseen.reduce((sum, { n }) => sum + n, 0);
  const open = SEVERITIES.reduce((sum, severity) => sum + (data?.by_severity[severity]?.open ?? 0), 0);
  const worst = unseen.find(({ n }) => n > 0)?.severity;
  const label = data ? t('alarms.counter', { total, open }) : t('alarms.unknown');
  const soundLabel = t(SOUND_WORDS[sound]);
  return (
    <>
      <Tooltip label={label}>
        <AppLink to="/alarms" className={classes['tool']}>
          <IconAlarm />
          <span className={classes['count']} data-worst={worst}>
            {data ? total : '–'}
          </span>
          <span className="k-hidden">{label}</span>
        </AppLink>
      </Tooltip>
      <Tooltip label={soundLabel}>
        <button
          type="button"
          className={classes['tool']}
          aria-label={soundLabel}
          aria-pressed={sound === 'on'}
          data-waits={sound === 'waiting' || undefined}
          onClick={toggleSound}
        >
          {sound === 'off' ? <IconMuted /> : <IconSound />}
          {sound === 'waiting' && <span className={classes['soundNote']}>{t('alarms.soundWaitsShort')}</span>}
        </button>
      </Tooltip>
    </>
  );
}
