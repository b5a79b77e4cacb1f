import { Group } from '@mantine/core';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { Alarm, DeviceDetail } from '../../api/types';
import { useWords } from '../../i18n/words';
import { SeverityBadge } from '../../ui/badges';
import { type Column, DataTable } from '../../ui/data-table';
import { AppLink, useGo } from '../../ui/link';
import { Age, DurationText, TimeText } from '../../ui/time-text';
import classes from './device.module.css';

/** Alarms of the device, with those that are over. */
export function AlarmsTab({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const words = useWords();
  const go = useGo();
  const query = useMemo(
    () => ({ device: device.id, state: 'all', hidden: 'all', order: 'newest' }),
    [device.id],
  );
  const list = usePagedList<Alarm>(['alarms'], '/alarms', query);
  const columns = useMemo<readonly Column<Alarm>[]>(
    () => [
      {
        id: 'severity',
        header: t('severity'),
        width: '7rem',
        cell: (alarm) => <SeverityBadge severity={alarm.severity} old={alarm.state !== 'raised'} />,
      },
      {
        id: 'text',
        header: t('alarm'),
        width: 'minmax(16rem, 1fr)',
        cell: (alarm) => (
          <AppLink to={`/alarms/${encodeURIComponent(alarm.id)}`}>
            {words.name(alarm.text, words.condition(alarm.condition))}
          </AppLink>
        ),
      },
      {
        id: 'state',
        header: t('alarmStateHead'),
        width: '7rem',
        cell: (alarm) => t(`alarmState.${alarm.state}`),
      },
      {
        id: 'raised',
        header: t('raised'),
        width: '11.5rem',
        cell: (alarm) => <TimeText ms={alarm.raised_ms} site={alarm.site} />,
      },
      {
        id: 'length',
        header: t('length'),
        width: '9rem',
        cell: (alarm) =>
          alarm.cleared_ms === null ? (
            <Age ms={alarm.raised_ms} site={alarm.site} />
          ) : (
            <DurationText ms={alarm.repair_ms} />
          ),
      },
      { id: 'by', header: t('seenBy'), width: '8rem', cell: (alarm) => alarm.acknowledged_by ?? '—' },
    ],
    [t, words],
  );
  return (
    <div className={classes['tall']}>
      <DataTable
        label={t('tab.alarms')}
        list={list}
        columns={columns}
        rowId={(alarm) => alarm.id}
        onOpen={(alarm) => go(`/alarms/${encodeURIComponent(alarm.id)}`)}
        card={(alarm) => (
          <>
            <Group justify="space-between" wrap="nowrap">
              <strong>{words.name(alarm.text, words.condition(alarm.condition))}</strong>
              <SeverityBadge severity={alarm.severity} old={alarm.state !== 'raised'} />
            </Group>
            <div className="k-dim">
              <TimeText ms={alarm.raised_ms} site={alarm.site} /> · {t(`alarmState.${alarm.state}`)}
            </div>
          </>
        )}
        empty={{ title: t('noAlarms'), text: t('noAlarmsText') }}
      />
    </div>
  );
}
