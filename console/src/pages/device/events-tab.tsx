import { Group } from '@mantine/core';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import type { DeviceDetail, EventRow } from '../../api/types';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { type Column, DataTable } from '../../ui/data-table';
import { TimeText } from '../../ui/time-text';
import classes from './device.module.css';

/** What happened once: passages, tickets, cards. */
export function EventsTab({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const words = useWords();
  const query = useMemo(() => ({ device: device.id }), [device.id]);
  const list = usePagedList<EventRow>(['events'], '/events', query);
  const columns = useMemo<readonly Column<EventRow>[]>(
    () => [
      {
        id: 'time',
        header: t('time'),
        width: '11.5rem',
        cell: (event) => <TimeText ms={event.time_ms} site={event.site} />,
      },
      { id: 'kind', header: t('event'), width: '12rem', cell: (event) => words.event(event.kind) },
      {
        id: 'fields',
        header: t('fields'),
        width: 'minmax(16rem, 1fr)',
        cell: (event) => <Fields event={event} />,
      },
      {
        id: 'late',
        header: '',
        width: '7rem',
        cell: (event) => event.late && <ToneBadge tone="off">{t('late')}</ToneBadge>,
      },
    ],
    [t, words],
  );
  return (
    <div className={classes['tall']}>
      <DataTable
        label={t('tab.events')}
        list={list}
        columns={columns}
        rowId={(event) => event.id}
        card={(event) => (
          <>
            <Group justify="space-between">
              <strong>{words.event(event.kind)}</strong>
              <TimeText ms={event.time_ms} site={event.site} />
            </Group>
            <Fields event={event} />
          </>
        )}
        empty={{ title: t('noEvents'), text: t('noEventsText') }}
      />
    </div>
  );
}

function Fields({ event }: { event: EventRow }) {
  const { t } = useTranslation('device');
  const words = useWords();
  return (
    <span className={classes['fields']}>
      {Object.entries(event.fields).map(([name, value]) => (
        <span key={name}>
          <span className="k-dim">{words.point(name)}</span>{' '}
          {typeof value === 'string' ? words.state(value) : String(value)}
        </span>
      ))}
      {event.left_out.length > 0 && (
        <span className="k-dim">{t('leftOut', { names: event.left_out.map(words.point).join(', ') })}</span>
      )}
    </span>
  );
}
