import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { TimeText } from '../../ui/time-text';
import type { AlarmStep } from '../alarms/types';
import classes from './alarm.module.css';

const TONES: Partial<Record<AlarmStep['what'], string>> = {
  raised: 'bad',
  renewed: 'bad',
  escalated: 'bad',
  cleared: 'ok',
  closed: 'ok',
  acknowledged: 'accent',
  assigned: 'accent',
  comment: 'accent',
};

/** Newest first: what happened last is what somebody who opens the page looks for. */
export function Log({ steps, site }: { steps: AlarmStep[]; site: string }) {
  const { t } = useTranslation('alarm');
  if (steps.length === 0) return <Text c="dimmed">{t('noLog')}</Text>;
  return (
    <ol className={classes.log}>
      {[...steps].reverse().map((step, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: steps are only ever added at the other end
        <li key={steps.length - at} data-tone={TONES[step.what]}>
          <div className={classes.stepHead}>
            <strong>{t(`step.${step.what}`)}</strong>
            <span>{step.by || <span className="k-dim">{t('system')}</span>}</span>
            <span className={classes.small}>
              <TimeText ms={step.time_ms} site={site} />
            </span>
          </div>
          {step.text && <div className={classes.stepText}>{step.text}</div>}
        </li>
      ))}
    </ol>
  );
}
