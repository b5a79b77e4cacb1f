/** The alarms that somebody should look at now. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { Alarm } from '../../api/types';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { SeverityBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { Age } from '../../ui/time-text';
import { needy } from './order';
import classes from './overview.module.css';

/** More are read than shown: some of the first may be over by now. */
const READ = 100;
const SHOWN = 12;
/** What somebody put aside, or works on, needs nobody else. */
const WANTED = { state: 'open', order: 'severity', shelved: 'false', maintenance: 'false' };

export function AttentionPanel() {
  const { t } = useTranslation('overview');
  const [site] = useSite();
  const query = useMemo(() => ({ ...WANTED, site }), [site]);
  const list = usePagedList<Alarm>(['alarms'], '/alarms', query, READ);
  const open = needy(list.rows).slice(0, SHOWN);
  return (
    <Panel title={t('attention')} aside={<AppLink to="/alarms">{t('allAlarms')}</AppLink>} flush>
      {list.isFirstLoad && <LoadingState />}
      {list.error && open.length === 0 && <ProblemState error={list.error} retry={list.retry} />}
      {!list.isFirstLoad && !list.error && open.length === 0 && (
        <EmptyState title={t('noAlarms')} text={t('noAlarmsText')} />
      )}
      <ul className={classes['list']}>
        {open.map((alarm) => (
          <AlarmLine key={alarm.id} alarm={alarm} withSite={site === null} />
        ))}
      </ul>
    </Panel>
  );
}

function AlarmLine({ alarm, withSite }: { alarm: Alarm; withSite: boolean }) {
  const { t } = useTranslation('overview');
  const words = useWords();
  const isSeen = alarm.acknowledged_ms !== null;
  return (
    <li className={classes['alarm']} data-seen={isSeen || undefined}>
      <SeverityBadge severity={alarm.severity} old={alarm.state === 'cleared'} />
      <div className={classes['alarmText']}>
        <AppLink to={`/alarms/${encodeURIComponent(alarm.id)}`} className={classes['strong'] ?? ''}>
          {words.name(alarm.text, words.condition(alarm.condition))}
        </AppLink>
        <div className={classes['alarmWhere']}>
          {alarm.device ? (
            <AppLink to={`/devices/${encodeURIComponent(alarm.device)}`}>{alarm.device_label}</AppLink>
          ) : (
            alarm.agent || (alarm.site === '' && t('alarms:mark.collector'))
          )}
          {alarm.area && <span>{alarm.area}</span>}
          {withSite && (
            <span>
              <SiteName id={alarm.site} />
            </span>
          )}
          {alarm.hides > 0 && <span>{t('hides', { count: alarm.hides })}</span>}
        </div>
      </div>
      <div className={classes['alarmSide']}>
        <Age ms={alarm.raised_ms} site={alarm.site} />
        <span className="k-dim">{t(alarm.state === 'cleared' ? 'cleared' : isSeen ? 'seen' : 'new')}</span>
      </div>
    </li>
  );
}
