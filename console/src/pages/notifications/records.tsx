/** Every message, and what became of it. */
import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../api/lists';
import { text, useParams, word } from '../../app/params';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { type Column, DataTable } from '../../ui/data-table';
import { AppLink } from '../../ui/link';
import { TimeText } from '../../ui/time-text';
import { channelsQuery } from './data';
import { type NotificationRecord, RECORD_STATES, RECORD_TONES } from './types';

const PARAMS = { alarm: text(), channel: text(), state: word(['', ...RECORD_STATES], '') };

function Outcome({ record }: { record: NotificationRecord }) {
  const { t } = useTranslation('notifications');
  return <ToneBadge tone={RECORD_TONES[record.state]}>{t(`record.state.${record.state}`)}</ToneBadge>;
}

function RecordDialog({ record, onClose }: { record: NotificationRecord; onClose: () => void }) {
  const words = useWords();
  const { t } = useTranslation('notifications');
  return (
    <Modal opened onClose={onClose} title={record.subject} size="lg">
      <Stack gap="xs">
        <Group gap="sm">
          <Outcome record={record} />
          <TimeText ms={record.time_ms} />
          <span>
            {record.channel_name} → {record.recipient}
          </span>
        </Group>
        <Text size="sm" c="dimmed">
          {t(`record.kind.${record.kind}`)}
          {record.route_name && ` · ${record.route_name} · ${t('record.step', { step: record.step + 1 })}`} ·{' '}
          {t('record.attempts', { count: record.attempts })}
        </Text>
        {record.problem && (
          <Text size="sm" c="var(--k-bad)">
            {t('record.problem')}: {words.text({ text: record.problem, text_zh: record.problem_zh })}
          </Text>
        )}
        <pre style={{ whiteSpace: 'pre-wrap', margin: 0, fontFamily: 'inherit', overflowWrap: 'anywhere' }}>
          {record.text}
        </pre>
        {record.alarms.length > 0 && (
          <Group gap="xs">
            <span className="k-dim">{t('record.alarms')}</span>
            {record.alarms.slice(0, 20).map((id) => (
              <AppLink key={id} to={`/alarms/${id}`}>
                {id}
              </AppLink>
            ))}
          </Group>
        )}
      </Stack>
    </Modal>
  );
}

export function Records() {
  const words = useWords();
  const { t } = useTranslation('notifications');
  const [params, setParams] = useParams(PARAMS);
  const { data: channels } = useQuery(channelsQuery);
  const [open, setOpen] = useState<NotificationRecord | null>(null);
  const list = usePagedList<NotificationRecord>(['notifications'], '/notifications', params);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the words and names are others with another language or list
  const columns = useMemo<Column<NotificationRecord>[]>(
    () => [
      {
        id: 'time',
        header: t('record.time'),
        width: '11.75rem',
        cell: (row) => <TimeText ms={row.time_ms} />,
      },
      {
        id: 'state',
        header: t('record.stateLabel'),
        width: '6.5rem',
        cell: (row) => <Outcome record={row} />,
      },
      {
        id: 'kind',
        header: t('record.kindLabel'),
        width: '7rem',
        cell: (row) => t(`record.kind.${row.kind}`),
      },
      { id: 'subject', header: t('record.subject'), width: 'minmax(12rem, 2fr)', cell: (row) => row.subject },
      {
        id: 'channel',
        header: t('record.channel'),
        width: 'minmax(8rem, 1fr)',
        cell: (row) => row.channel_name,
      },
      {
        id: 'recipient',
        header: t('record.recipient'),
        width: 'minmax(9rem, 1fr)',
        cell: (row) => row.recipient,
      },
      {
        id: 'problem',
        header: t('record.problem'),
        width: 'minmax(12rem, 2fr)',
        cell: (row) => {
          const problem = words.text({ text: row.problem, text_zh: row.problem_zh });
          return problem && <span title={problem}>{problem}</span>;
        },
      },
    ],
    [t, channels, words],
  );
  return (
    <>
      <Group gap="xs">
        <Select
          size="xs"
          aria-label={t('record.stateLabel')}
          data={[
            { value: '', label: t('record.anyState') },
            ...RECORD_STATES.map((value) => ({ value, label: t(`record.state.${value}`) })),
          ]}
          value={params.state}
          allowDeselect={false}
          onChange={(state) => setParams({ state: (state ?? '') as typeof params.state })}
        />
        <Select
          size="xs"
          aria-label={t('record.channel')}
          placeholder={t('record.anyChannel')}
          clearable
          data={(channels ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={params.channel || null}
          onChange={(channel) => setParams({ channel: channel ?? '' })}
        />
        {params.alarm && (
          <Button size="compact-xs" variant="light" onClick={() => setParams({ alarm: '' })}>
            {t('record.ofAlarm', { id: params.alarm })} ✕
          </Button>
        )}
      </Group>
      <DataTable
        label={t('tab.records')}
        list={list}
        columns={columns}
        rowId={(row) => row.id}
        onOpen={setOpen}
        tone={(row) => (row.state === 'failed' ? 'bad' : undefined)}
        empty={{ title: t('record.empty') }}
        card={(row) => (
          <>
            <Group justify="space-between" gap="xs">
              <Outcome record={row} />
              <TimeText ms={row.time_ms} style="short" />
            </Group>
            <div>{row.subject}</div>
            <div className="k-dim">
              {row.channel_name} → {row.recipient}
            </div>
          </>
        )}
      />
      {open && <RecordDialog record={open} onClose={() => setOpen(null)} />}
    </>
  );
}
