/** The alarms that need somebody, the gravest first. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { alarmSummaryQuery, usePagedList } from '../../api/lists';
import type { Alarm } from '../../api/types';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { LevelShape, SEVERITY_TONES, SeverityShape } from '../../ui/badges';
import { ProblemState } from '../../ui/states';
import { Age } from '../../ui/time-text';
import classes from './wall.module.css';

/** What fits on a wall and can still be read. */
const SHOWN = 9;
/** What somebody put aside, or works on, needs nobody else. */
const WANTED = { state: 'raised', order: 'severity', shelved: 'false', maintenance: 'false' };

export function AlarmsView({ name }: { name: (site: string) => string }) {
  const { t } = useTranslation('wall');
  const words = useWords();
  const [site] = useSite();
  const list = usePagedList<Alarm>(['alarms', 'wall'], '/alarms', { site, ...WANTED }, 50);
  const summary = useQuery(alarmSummaryQuery(site)).data;
  if (list.error && list.rows.length === 0) return <ProblemState error={list.error} retry={list.retry} />;
  const rows = list.rows.filter((alarm) => alarm.state === 'raised');
  // Only the first are read; of those behind them the summary knows how many are open.
  const open = Object.values(summary?.by_severity ?? {}).reduce((sum, each) => sum + each.open, 0);
  const more = Math.max(0, (list.hasMore ? Math.max(open, rows.length) : rows.length) - SHOWN);
  return (
    <>
      <ul className={classes['alarms']}>
        {rows.slice(0, SHOWN).map((alarm) => (
          <li key={alarm.id} data-tone={SEVERITY_TONES[alarm.severity]}>
            <SeverityShape severity={alarm.severity} size={30} />
            <b>{words.severity(alarm.severity)}</b>
            <span className={classes['what']}>
              {words.name(alarm.text, alarm.condition)} <em>{alarm.device_label || alarm.agent}</em>
            </span>
            <span className={classes['where']}>{name(alarm.site)}</span>
            <span className={classes['age']}>
              <Age ms={alarm.raised_ms} site={alarm.site} />
              {alarm.acknowledged_ms !== null && ` · ${t('acknowledged')}`}
            </span>
          </li>
        ))}
        {!list.isFirstLoad && rows.length === 0 && (
          <li>
            <LevelShape level="working" size={30} />
            <b>{t('noAlarms')}</b>
          </li>
        )}
      </ul>
      {more > 0 && <p className={classes['more']}>{t('more', { count: more })}</p>}
    </>
  );
}
