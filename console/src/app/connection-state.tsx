/** Whether what is shown is how it is now. */
import { Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useStreamState } from '../api/live';
import { stream } from '../api/stream';
import { Age } from '../ui/time-text';
import classes from './shell.module.css';

export function ConnectionState() {
  const { t } = useTranslation('common');
  const state = useStreamState();
  return (
    <Tooltip label={t(`stream.${state}Text`)} multiline maw={280}>
      <span className={classes['pill']} data-state={state} role="status" aria-label={t(`stream.${state}`)}>
        <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
          {state === 'live' ? (
            <circle cx="5" cy="5" r="4" fill="currentColor" />
          ) : (
            <path d="M5 0 10 5 5 10 0 5z" fill="currentColor" />
          )}
        </svg>
        <span className={classes['pillText']}>{t(`stream.${state}`)}</span>
      </span>
    </Tooltip>
  );
}

/** Across the page while the stream is down: since when nothing is known. */
export function StaleBanner() {
  const { t } = useTranslation('common');
  const isStale = useStreamState() === 'stale';
  if (!isStale) return null;
  const lastHeard = stream.getLastHeard();
  return (
    <div className={classes['stale']} role="alert">
      <span>{t('stream.banner')}</span>
      {lastHeard > 0 && (
        <span>
          {t('stream.lastHeard')} <Age ms={lastHeard + stream.getOffsetMs()} />
        </span>
      )}
    </div>
  );
}
