import { useTranslation } from 'react-i18next';
import { ToneBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { TimeText } from '../../ui/time-text';
import type { AlarmDetail, NotificationRecord } from '../alarms/types';
import { RECORD_TONES } from '../notifications/types';
import classes from './alarm.module.css';

export function Told({ records, alarm }: { records: NotificationRecord[]; alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const more = (
    <AppLink to="/notifications" search={{ alarm: alarm.id }}>
      {t('notifications:record.showAll')}
    </AppLink>
  );
  return (
    <Panel title={t('notifications')} aside={records.length > 0 && more} flush>
      <ul className={classes.list}>
        {records.length === 0 && <li className={classes.small}>{t('noNotifications')}</li>}
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
                {record.problem && ` · ${record.problem}`}
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
