/** The alarms that need somebody, the gravest first. */
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { Alarm } from '../../api/types';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { LevelShape, SEVERITY_TONES, SeverityShape } from '../../ui/badges';
import { ProblemState } from '../../ui/states';
import { Age } from '../../ui/time-text';
import classes from './wall.module.css';

/** What fits on a wall and can still be read. */
const SHOWN = 9;

export function AlarmsView({ name }: { name: (site: string) => string }) {
  const { t } = useTranslation('wall');
  const words = useWords();
  const [site] = useSite();
  const list = usePagedList<Alarm>(
    ['alarms', 'wall'],
    '/alarms',
    { site, state: 'raised', order: 'severity' },
    50,
  );
  if (list.error && list.rows.length === 0) return <ProblemState error={list.error} retry={list.retry} />;
  const rows = list.rows.filter((alarm) => alarm.state === 'raised');
  const more = Math.max(0, (list.total ?? rows.length) - SHOWN);
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
