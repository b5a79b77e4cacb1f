/** The figures above the desk. Those that are about alarms of a kind show these when they are clicked. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { alarmSummaryQuery } from '../../api/lists';
import { promptShare } from '../../api/overview';
import { useWords } from '../../i18n/words';
import { SeverityShape } from '../../ui/badges';
import { shareText } from '../../ui/number';
import { Fresh, useDurationText } from '../../ui/time-text';
import classes from './desk.module.css';
import type { DeskParams, View } from './search';
import { SEVERITIES, type Severity } from './types';

interface StripProps {
  site: string | null;
  params: DeskParams;
  onChange: (change: Partial<DeskParams>) => void;
}

export function Strip({ site, params, onChange }: StripProps) {
  const { t } = useTranslation('alarms');
  const words = useWords();
  const durationText = useDurationText();
  const { data } = useQuery(alarmSummaryQuery(site));
  const number = (value: number | null | undefined) => <Fresh>{value ?? t('strip.nothing')}</Fresh>;
  const choose = (severity: Severity) => {
    const isOn = params.view === 'open' && params.min_severity === severity;
    onChange({ view: 'open', min_severity: isOn ? '' : severity });
  };
  const show = (view: View) => onChange({ view: params.view === view ? 'open' : view });
  const response = data?.response;
  return (
    <div className={classes.strip}>
      {SEVERITIES.map((severity) => {
        const count = data?.by_severity[severity];
        const waiting = count?.unacknowledged ?? 0;
        return (
          <button
            key={severity}
            type="button"
            className={classes.figure}
            aria-pressed={params.min_severity === severity}
            onClick={() => choose(severity)}
          >
            <span className={classes.figureLabel}>
              <SeverityShape severity={severity} size={11} />
              {words.severity(severity)}
            </span>
            <span className={classes.figureValue}>{number(count?.open)}</span>
            <span className={classes.figureSub} data-waits={waiting > 0 || undefined}>
              {data && t('strip.waiting', { count: waiting })}
            </span>
          </button>
        );
      })}
      <div className={`${classes.figure} ${classes.wide}`}>
        <span className={classes.figureLabel}>{t('strip.hidden')}</span>
        <span className={classes.figureValue}>{number(data?.hidden)}</span>
      </div>
      {(['shelved', 'maintenance'] as const).map((view) => (
        <button
          key={view}
          type="button"
          className={`${classes.figure} ${classes.wide}`}
          aria-pressed={params.view === view}
          onClick={() => show(view)}
        >
          <span className={classes.figureLabel}>{t(`strip.${view}`)}</span>
          <span className={classes.figureValue}>{number(data?.[view])}</span>
        </button>
      ))}
      <div className={`${classes.figure} ${classes.wide}`}>
        <span className={classes.figureLabel}>{t('strip.response')}</span>
        <span className={classes.figureValue}>
          {typeof response?.mean_ms === 'number' ? durationText(response.mean_ms) : t('strip.nothing')}
        </span>
        <span className={classes.figureSub}>{t('strip.today')}</span>
      </div>
      <div className={`${classes.figure} ${classes.wide}`}>
        <span className={classes.figureLabel}>{t('strip.within')}</span>
        <span className={classes.figureValue}>{shareText(promptShare(response))}</span>
        <span className={classes.figureSub}>{t('strip.today')}</span>
      </div>
    </div>
  );
}
