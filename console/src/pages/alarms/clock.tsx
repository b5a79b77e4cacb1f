/** How the response to an alarm stands against what was promised; it ticks while nobody has acknowledged. */
import { Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useNow } from '../../ui/now';
import { useDurationText } from '../../ui/time-text';
import classes from './desk.module.css';
import { clockText, PROMISE_MS, responseClock } from './promise';
import type { Alarm } from './types';

export function ResponseClock({ alarm }: { alarm: Alarm }) {
  const { t } = useTranslation('alarms');
  const durationText = useDurationText();
  const { state, elapsed_ms } = responseClock(alarm, useNow());
  const left = PROMISE_MS - elapsed_ms;
  const shown = {
    running: left,
    'late-soon': left,
    late: -left,
    kept: elapsed_ms,
    broken: elapsed_ms,
    none: 0,
  }[state];
  const isRunning = state === 'running' || state === 'late-soon' || state === 'late';
  return (
    <Tooltip label={t('clock.help')}>
      <div className={classes.clock} data-state={state}>
        {t(`clock.${state}`, { time: clockText(shown) ?? durationText(shown) })}
        {isRunning && (
          <div className={classes.bar} aria-hidden="true">
            <span style={{ width: `${Math.min(100, (elapsed_ms / PROMISE_MS) * 100)}%` }} />
          </div>
        )}
      </div>
    </Tooltip>
  );
}
