/** Windows in which work is done: their alarms are quiet, and their time does not count. */
import { Button, Group, SegmentedControl, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { usePagedList } from '../../api/lists';
import { useMay } from '../../api/session';
import { flag, text, useParams, word } from '../../app/params';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { type Tone, ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { type Column, DataTable } from '../../ui/data-table';
import { IconPlus } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { serverNow, useNow } from '../../ui/now';
import { PageBody, PageHeader } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { localText } from '../../ui/time';
import { TimeText, useDurationText } from '../../ui/time-text';
import { useZone } from '../../ui/zone';
import { canEnd, stateOf, type Window, type WindowState } from './types';
import { WindowDialog } from './window-dialog';
import { useRepeatText } from './words';

const PARAMS = {
  tab: word(['now', 'all'], 'now'),
  /** Opens the form with this device, class or area in it. */
  new: flag(),
  device: text(),
  class: text(),
  area: text(),
};
const TONES: Record<WindowState, Tone> = { now: 'calm', next: 'ok', over: 'off', cancelled: 'off' };
/** A list that is asked for by time would be another one with every second. */
const STEP_MS = 60_000;

function State({ row }: { row: Window }) {
  const { t } = useTranslation('maintenance');
  const zone = useZone(row.site);
  const durationText = useDurationText();
  const now = useNow();
  const state = stateOf(row, now, (ms) => localText(ms, zone));
  const left =
    state === 'now' && !row.repeat
      ? t('remaining', { time: durationText((row.ended_ms ?? row.to_ms) - now) })
      : state === 'next' && row.from_ms > now
        ? t('startsIn', { time: durationText(row.from_ms - now) })
        : '';
  return (
    <Group gap={6} wrap="nowrap">
      <ToneBadge tone={TONES[state]}>{t(`state.${state}`)}</ToneBadge>
      <span className="k-dim">{left}</span>
    </Group>
  );
}

function What({ row }: { row: Window }) {
  const { t } = useTranslation('maintenance');
  const words = useWords();
  const site = <SiteName id={row.site} />;
  if (row.device) return <AppLink to={`/devices/${row.device}`}>{row.device}</AppLink>;
  const part = row.class ? words.class(row.class) : (row.area ?? t('all'));
  return (
    <>
      {site} · {part}
    </>
  );
}

function When({ row }: { row: Window }) {
  const repeatText = useRepeatText();
  const to = row.ended_ms ?? row.to_ms;
  return (
    <>
      {row.repeat && `${repeatText(row.repeat)} · `}
      <TimeText ms={row.from_ms} site={row.site} style="minute" /> –{' '}
      <TimeText ms={to} site={row.site} style="minute" />
    </>
  );
}

export default function MaintenancePage() {
  const { t } = useTranslation('maintenance');
  const client = useQueryClient();
  const [site] = useSite();
  const [params, setParams] = useParams(PARAMS);
  const may = useMay();
  const mayPlan = may('maintain', site);
  const [ending, setEnding] = useState<Window | null>(null);
  const isNow = params.tab === 'now';
  const from = isNow ? String(Math.floor(serverNow() / STEP_MS) * STEP_MS) : null;
  const list = usePagedList<Window>(['maintenance'], '/maintenance', { site, from });
  const shown = useMemo(() => {
    const current = (row: Window) => canEnd(row, serverNow());
    return isNow ? { ...list, rows: list.rows.filter(current) } : list;
  }, [isNow, list]);
  const isPending = ending !== null && ending.from_ms > serverNow();
  const columns = useMemo<Column<Window>[]>(
    () => [
      {
        id: 'state',
        header: t('column.state'),
        width: 'minmax(10rem, 1.2fr)',
        cell: (row) => <State row={row} />,
      },
      {
        id: 'what',
        header: t('column.what'),
        width: 'minmax(11rem, 1.5fr)',
        cell: (row) => <What row={row} />,
      },
      {
        id: 'when',
        header: t('column.when'),
        width: 'minmax(21rem, 2.5fr)',
        cell: (row) => <When row={row} />,
      },
      {
        id: 'reason',
        header: t('column.reason'),
        width: 'minmax(10rem, 2fr)',
        cell: (row) => <span title={row.reason}>{row.reason}</span>,
      },
      { id: 'by', header: t('column.by'), width: '8rem', cell: (row) => row.created_by },
      {
        id: 'end',
        header: '',
        width: '7rem',
        align: 'end',
        cell: (row) =>
          may('maintain', row.site) &&
          canEnd(row, serverNow()) && (
            <Button size="compact-xs" variant="default" onClick={() => setEnding(row)}>
              {t(row.from_ms > serverNow() ? 'cancel' : 'end')}
            </Button>
          ),
      },
    ],
    [t, may],
  );
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        description={t('subtitle')}
        actions={
          mayPlan && (
            <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setParams({ new: true })}>
              {t('new')}
            </Button>
          )
        }
      />
      <SegmentedControl
        size="xs"
        style={{ alignSelf: 'flex-start' }}
        data={(['now', 'all'] as const).map((value) => ({ value, label: t(`tab.${value}`) }))}
        value={params.tab}
        onChange={(tab) => setParams({ tab: tab as 'now' | 'all' })}
      />
      <DataTable
        label={t('title')}
        list={shown}
        columns={columns}
        rowId={(row) => String(row.id)}
        empty={{ title: t(isNow ? 'empty' : 'emptyAll') }}
        card={(row) => (
          <>
            <Group justify="space-between" gap="xs">
              <State row={row} />
              {may('maintain', row.site) && canEnd(row, serverNow()) && (
                <Button size="compact-xs" variant="default" onClick={() => setEnding(row)}>
                  {t(row.from_ms > serverNow() ? 'cancel' : 'end')}
                </Button>
              )}
            </Group>
            <div>
              <What row={row} />
            </div>
            <div style={{ whiteSpace: 'normal' }}>
              <When row={row} />
            </div>
            <div className="k-dim">{row.reason}</div>
          </>
        )}
      />
      {params.new && mayPlan && (
        <WindowDialog
          start={{ site: site ?? '', device: params.device, class: params.class, area: params.area }}
          onClose={() => setParams({ new: false, device: '', class: '', area: '' })}
        />
      )}
      <ConfirmDialog
        opened={ending !== null}
        title={t(isPending ? 'cancelTitle' : 'endTitle')}
        confirm={t(isPending ? 'cancel' : 'end')}
        onClose={() => setEnding(null)}
        onConfirm={async () => {
          await api.delete(`/maintenance/${ending?.id}`);
          await client.invalidateQueries({ queryKey: ['maintenance'] });
        }}
      >
        {ending && (
          <Text size="sm">
            <What row={ending} /> · {ending.reason}
          </Text>
        )}
        <Text size="sm" c="dimmed">
          {t(isPending ? 'cancelText' : 'endText')}
        </Text>
      </ConfirmDialog>
    </PageBody>
  );
}
