/** What will never come, what came late, and what could not be read. */
import { Button, Group } from '@mantine/core';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { apiAddress } from '../../api/client';
import { usePagedList } from '../../api/lists';
import { useRight } from '../../api/session';
import { ToneBadge } from '../../ui/badges';
import { type Column, DataTable } from '../../ui/data-table';
import { IconDownload } from '../../ui/icons';
import { bytesText, numberText } from '../../ui/number';
import { DurationText, TimeText } from '../../ui/time-text';
import type { Gap, Outage, Quarantined } from './types';

const NO_FILTER = {};

function useWhy(): (reason: string) => string {
  const { t, i18n } = useTranslation('agents');
  return (reason) => (i18n.exists(`gap.why.${reason}`, { ns: 'agents' }) ? t(`gap.why.${reason}`) : reason);
}

function Period({
  from,
  to,
  site,
}: {
  from: number | null | undefined;
  to: number | null | undefined;
  site: string;
}) {
  return (
    <>
      <TimeText ms={from} site={site} style="short" /> – <TimeText ms={to} site={site} style="short" />
    </>
  );
}

export function Gaps() {
  const { t } = useTranslation('agents');
  const why = useWhy();
  const list = usePagedList<Gap>(['gaps'], '/gaps', NO_FILTER);
  const lost = (row: Gap) =>
    row.lost > 0 ? t('count', { count: numberText(row.lost) }) : t('gap.unknownCount');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the words are others with another language
  const columns = useMemo<Column<Gap>[]>(
    () => [
      { id: 'agent', header: t('column.agent'), width: 'minmax(9rem, 1fr)', cell: (row) => row.agent },
      { id: 'lane', header: t('gap.lane'), width: '6rem', cell: (row) => t(`lane.${row.lane}`) },
      { id: 'lost', header: t('gap.lost'), width: 'minmax(7rem, 0.8fr)', cell: lost },
      {
        id: 'period',
        header: t('gap.period'),
        width: '14rem',
        cell: (row) => <Period from={row.from_ms} to={row.to_ms} site={row.site} />,
      },
      {
        id: 'reason',
        header: t('gap.reason'),
        width: 'minmax(15rem, 2fr)',
        cell: (row) => <span title={row.reason}>{why(row.reason)}</span>,
      },
      {
        id: 'devices',
        header: t('gap.devices'),
        width: 'minmax(8rem, 1fr)',
        cell: (row) => <span title={row.devices.join(', ')}>{row.devices.join(', ') || '—'}</span>,
      },
      {
        id: 'received',
        header: t('gap.received'),
        width: '11.75rem',
        cell: (row) => <TimeText ms={row.received_ms} site={row.site} />,
      },
    ],
    [t],
  );
  return (
    <DataTable
      label={t('tab.gaps')}
      list={list}
      columns={columns}
      rowId={(row) => String(row.id)}
      tone={() => 'bad'}
      empty={{ title: t('gap.empty'), text: t('gap.emptyText') }}
      card={(row) => (
        <>
          <Group justify="space-between">
            <strong>
              {row.agent} · {t(`lane.${row.lane}`)}
            </strong>
            <span>{lost(row)}</span>
          </Group>
          <div>{why(row.reason)}</div>
          <div className="k-dim">
            <Period from={row.from_ms} to={row.to_ms} site={row.site} />
          </div>
        </>
      )}
    />
  );
}

export function Outages() {
  const { t } = useTranslation('agents');
  const list = usePagedList<Outage>(['outages'], '/outages', NO_FILTER);
  const what = (row: Outage) => {
    const counts = Object.values(row.alarms);
    const [raised, cleared] = [
      counts.reduce((n, each) => n + each.raised, 0),
      counts.reduce((n, each) => n + each.cleared, 0),
    ];
    const events = Object.values(row.events).reduce((n, each) => n + each, 0);
    return [
      raised + cleared > 0 && t('outage.alarms', { raised, cleared }),
      events > 0 && t('outage.events', { count: numberText(events) }),
      row.readings > 0 && t('outage.readings', { count: numberText(row.readings) }),
      row.commands > 0 && t('outage.commands', { count: row.commands }),
      row.quarantined > 0 && t('outage.quarantined', { count: row.quarantined }),
    ]
      .filter((part) => part)
      .join(' · ');
  };
  const lost = (row: Outage) =>
    row.lost > 0 || row.gaps > 0 ? (
      <ToneBadge tone="bad">{t('outage.lost', { count: numberText(row.lost) })}</ToneBadge>
    ) : null;
  const complete = (row: Outage) =>
    typeof row.complete_ms === 'number' ? (
      <TimeText ms={row.complete_ms} site={row.site} style="short" />
    ) : (
      <ToneBadge tone="warn">{t('outage.draining')}</ToneBadge>
    );
  // biome-ignore lint/correctness/useExhaustiveDependencies: the words are others with another language
  const columns = useMemo<Column<Outage>[]>(
    () => [
      { id: 'agent', header: t('column.agent'), width: 'minmax(9rem, 1fr)', cell: (row) => row.agent },
      {
        id: 'period',
        header: `${t('outage.from')} – ${t('outage.to')}`,
        width: '14rem',
        cell: (row) => <Period from={row.from_ms} to={row.to_ms} site={row.site} />,
      },
      {
        id: 'length',
        header: t('outage.length'),
        width: '8rem',
        cell: (row) => <DurationText ms={row.to_ms - row.from_ms} />,
      },
      { id: 'complete', header: t('outage.complete'), width: '8rem', cell: complete },
      { id: 'what', header: t('outage.what'), width: 'minmax(16rem, 3fr)', cell: what },
      { id: 'lost', header: t('gap.lost'), width: '7.5rem', cell: lost },
      {
        id: 'devices',
        header: t('outage.devices'),
        width: '6rem',
        align: 'end',
        cell: (row) => <span title={row.devices.join(', ')}>{row.devices.length}</span>,
      },
    ],
    [t],
  );
  return (
    <DataTable
      label={t('tab.outages')}
      list={list}
      columns={columns}
      rowId={(row) => String(row.id)}
      tone={(row) => (row.lost > 0 ? 'bad' : undefined)}
      empty={{ title: t('outage.empty') }}
      card={(row) => (
        <>
          <Group justify="space-between">
            <strong>{row.agent}</strong>
            <DurationText ms={row.to_ms - row.from_ms} />
          </Group>
          <div className="k-dim">
            <Period from={row.from_ms} to={row.to_ms} site={row.site} />
          </div>
          <div>
            {what(row)} {lost(row)}
          </div>
        </>
      )}
    />
  );
}

export function Quarantine() {
  const { t } = useTranslation('agents');
  const mayOpen = useRight('admin');
  const list = usePagedList<Quarantined>(['quarantine'], '/quarantine', NO_FILTER);
  const columns = useMemo<Column<Quarantined>[]>(
    () => [
      {
        id: 'received',
        header: t('quarantined.received'),
        width: '11.75rem',
        cell: (row) => <TimeText ms={row.received_ms} site={row.site} />,
      },
      { id: 'agent', header: t('column.agent'), width: 'minmax(9rem, 1fr)', cell: (row) => row.agent },
      { id: 'lane', header: t('gap.lane'), width: '6rem', cell: (row) => t(`lane.${row.lane}`) },
      {
        id: 'reason',
        header: t('quarantined.reason'),
        width: 'minmax(16rem, 3fr)',
        cell: (row) => <span title={row.reason}>{row.reason}</span>,
      },
      {
        id: 'size',
        header: t('quarantined.size'),
        width: '6rem',
        align: 'end',
        cell: (row) => bytesText(row.size),
      },
      {
        id: 'download',
        header: '',
        width: '10rem',
        align: 'end',
        cell: (row) =>
          mayOpen &&
          row.kept > 0 && (
            <Button
              size="compact-xs"
              variant="subtle"
              component="a"
              href={apiAddress(`/quarantine/${row.id}/body`)}
              download
              leftSection={<IconDownload size={13} />}
            >
              {t('quarantined.download')}
            </Button>
          ),
      },
    ],
    [t, mayOpen],
  );
  return (
    <DataTable
      label={t('tab.quarantine')}
      list={list}
      columns={columns}
      rowId={(row) => String(row.id)}
      empty={{ title: t('quarantined.empty'), text: t('quarantined.emptyText') }}
      card={(row) => (
        <>
          <Group justify="space-between">
            <strong>
              {row.agent} · {t(`lane.${row.lane}`)}
            </strong>
            <span>{bytesText(row.size)}</span>
          </Group>
          <div>{row.reason}</div>
          <div className="k-dim">
            <TimeText ms={row.received_ms} site={row.site} />
          </div>
        </>
      )}
    />
  );
}
