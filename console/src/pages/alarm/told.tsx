import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { Page } from '../../api/types';
import { currentLanguage } from '../../i18n';
import { ToneBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { useProblemText } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { type AlarmDetail, inLanguage, type NotificationRecord } from '../alarms/types';
import { RECORD_TONES } from '../notifications/types';
import classes from './alarm.module.css';

/** Most of them that are shown here. */
const SHOWN = 20;

export function Told({ alarm }: { alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const { data, error } = useQuery({
    // Asked for again whenever something happened to the alarm: that is when messages are made.
    queryKey: ['notifications', 'of-alarm', { alarm: alarm.id, change: alarm.change }],
    queryFn: ({ signal }) =>
      api.get<Page<NotificationRecord>>('/notifications', { alarm: alarm.id, limit: SHOWN }, signal),
    placeholderData: keepPreviousData,
  });
  const problemText = useProblemText();
  const records = data?.items ?? [];
  const more = (
    <AppLink to="/notifications" search={{ alarm: alarm.id }}>
      {t('notifications:record.showAll')}
    </AppLink>
  );
  return (
    <Panel title={t('notifications')} aside={records.length > 0 && more} flush>
      <ul className={classes.list}>
        {error && <li className={classes.small}>{problemText(error)}</li>}
        {data && records.length === 0 && <li className={classes.small}>{t('noNotifications')}</li>}
        {records.map((record) => (
          <li key={record.id}>
            <ToneBadge tone={RECORD_TONES[record.state]}>
              {t(`notifications:record.state.${record.state}`)}
            </ToneBadge>
            <span className={classes.grow}>
              {record.recipient}
              <br />
              <span className={classes.small}>
                {t(`notifications:record.kind.${record.kind}`)}
                {record.problem &&
                  ` · ${inLanguage({ zh: record.problem_zh ?? '', en: record.problem }, currentLanguage())}`}
              </span>
            </span>
            <span className={classes.small}>
              <TimeText ms={record.time_ms} site={alarm.site} style="short" />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
