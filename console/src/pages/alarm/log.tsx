import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { currentLanguage } from '../../i18n';
import { AppLink } from '../../ui/link';
import { TimeText } from '../../ui/time-text';
import { type AlarmDetail, type AlarmStep, inLanguage } from '../alarms/types';
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
export function Log({ alarm }: { alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const { log: steps, site } = alarm;
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
          <StepText step={step} alarm={alarm} />
        </li>
      ))}
    </ol>
  );
}

/** What belongs to a step: the alarm that explains this one, what it said in the reader's language, or words of people. */
function StepText({ step, alarm }: { step: AlarmStep; alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const { what, text } = step;
  if (text === '') return null;
  if (what === 'hidden') {
    return (
      <div className={classes.stepText}>
        <AppLink to={`/alarms/${encodeURIComponent(text)}`}>{t('toParent')}</AppLink>
      </div>
    );
  }
  const said = text === alarm.text.en ? inLanguage(alarm.text, currentLanguage()) : text;
  return <div className={classes.stepText}>{said}</div>;
}
