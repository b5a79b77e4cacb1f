/** What people and systems did: search, export, and the check that nothing was changed. */
import { Button, Group, Modal, Select, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, apiAddress } from '../../api/client';
import { usePagedList } from '../../api/lists';
import type { components } from '../../api/schema';
import type { AuditRow } from '../../api/types';
import { text, useParams, whole } from '../../app/params';
import { ToneBadge } from '../../ui/badges';
import { type Column, DataTable } from '../../ui/data-table';
import { MomentField } from '../../ui/date-fields';
import { Facts } from '../../ui/facts';
import { IconCheck, IconClose, IconDownload } from '../../ui/icons';
import { PageBody, PageHeader } from '../../ui/page';
import { useProblemText } from '../../ui/states';

import { TimeText } from '../../ui/time-text';
import { useZone } from '../../ui/zone';
import { detailText, useActionText } from './words';

type ChainReport = components['schemas']['ChainReport'];

const PARAMS = { actor: text(), action: text(), target: text(), from: whole(), to: whole() };

function Check() {
  const { t } = useTranslation('audit');
  const problemText = useProblemText();
  const check = useMutation({ mutationFn: () => api.get<ChainReport>('/audit/check') });
  const { data } = check;
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconCheck size={14} />}
        loading={check.isPending}
        onClick={() => check.mutate()}
      >
        {t('check')}
      </Button>
      <Modal opened={data !== undefined || check.error !== null} onClose={check.reset} title={t('check')}>
        {check.error && <Text c="var(--k-bad)">{problemText(check.error)}</Text>}
        {data && (
          <>
            <ToneBadge tone={data.problems.length === 0 ? 'ok' : 'bad'}>
              {data.problems.length === 0
                ? t('fine', { rows: data.rows })
                : t('broken', { count: data.problems.length })}
            </ToneBadge>
            {data.problems.map((problem) => (
              <Text key={problem} size="sm" c="var(--k-bad)" mt="xs">
                {problem}
              </Text>
            ))}
            {data.head && (
              <Text size="sm" mt="sm" style={{ overflowWrap: 'anywhere' }}>
                {t('head', { id: data.head.id, hash: data.head.hash })}
              </Text>
            )}
            <Text size="xs" c="dimmed" mt={4}>
              {t('headHelp')}
            </Text>
          </>
        )}
      </Modal>
    </>
  );
}

function Detail({ row, onClose }: { row: AuditRow; onClose: () => void }) {
  const { t } = useTranslation('audit');
  const actionText = useActionText();
  const facts = [
    { label: t('column.time'), value: <TimeText ms={row.at_ms} /> },
    { label: t('column.actor'), value: `${row.actor_name} (${t(`actorKind.${row.actor_kind}`)})` },
    { label: t('column.target'), value: row.target || '—' },
    { label: t('column.site'), value: row.site || '—' },
    { label: t('column.address'), value: row.address || '—' },
  ];
  return (
    <Modal opened onClose={onClose} title={actionText(row.action)} size="lg">
      <Facts facts={facts} />
      <pre style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', fontSize: '0.8125rem' }}>
        {JSON.stringify(row.detail, null, 2)}
      </pre>
    </Modal>
  );
}

export default function AuditPage() {
  const { t, i18n } = useTranslation('audit');
  const zone = useZone();
  const actionText = useActionText();
  const [params, setParams] = useParams(PARAMS);
  const query = useMemo(
    () => ({
      ...params,
      from: params.from === null ? null : String(params.from),
      to: params.to === null ? null : String(params.to),
    }),
    [params],
  );
  const list = usePagedList<AuditRow>(['audit'], '/audit', query);
  const [open, setOpen] = useState<AuditRow | null>(null);
  const actions = Object.keys((i18n.getResource(i18n.language, 'audit', 'action') ?? {}) as object);
  if (params.action && !actions.includes(params.action)) actions.push(params.action);
  const actorName = list.rows.find((row) => row.actor_id === params.actor)?.actor_name ?? params.actor;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the words are others with another language
  const columns = useMemo<Column<AuditRow>[]>(
    () => [
      { id: 'time', header: t('column.time'), width: '11.75rem', cell: (row) => <TimeText ms={row.at_ms} /> },
      {
        id: 'actor',
        header: t('column.actor'),
        width: 'minmax(8rem, 1fr)',
        cell: (row) =>
          row.actor_id ? (
            <Button size="compact-xs" variant="subtle" onClick={() => setParams({ actor: row.actor_id })}>
              {row.actor_name}
            </Button>
          ) : (
            row.actor_name || t(`actorKind.${row.actor_kind}`)
          ),
      },
      {
        id: 'action',
        header: t('column.action'),
        width: 'minmax(9rem, 1fr)',
        cell: (row) => actionText(row.action),
      },
      { id: 'target', header: t('column.target'), width: 'minmax(9rem, 1fr)', cell: (row) => row.target },
      { id: 'site', header: t('column.site'), width: '8rem', cell: (row) => row.site },
      {
        id: 'detail',
        header: t('column.detail'),
        width: 'minmax(12rem, 2fr)',
        cell: (row) => <span className="k-dim">{detailText(row.detail)}</span>,
      },
      { id: 'address', header: t('column.address'), width: '8.5rem', cell: (row) => row.address },
    ],
    [t],
  );
  const isFiltered =
    params.actor !== '' ||
    params.action !== '' ||
    params.target !== '' ||
    params.from !== null ||
    params.to !== null;
  const time = (name: 'from' | 'to') => (
    <MomentField
      size="xs"
      w={205}
      clearable
      aria-label={t(`filter.${name}`)}
      leftSection={<span className="k-dim">{t(`filter.${name}`)}</span>}
      leftSectionWidth={44}
      ms={params[name]}
      zone={zone}
      onChange={(ms) => setParams({ [name]: ms })}
    />
  );
  return (
    <PageBody fill>
      <PageHeader
        title={t('title')}
        description={t('subtitle')}
        actions={
          <>
            <Check />
            <Button
              size="xs"
              variant="default"
              component="a"
              href={apiAddress('/audit/export.jsonl', query)}
              download
              title={t('exportHelp')}
              leftSection={<IconDownload size={14} />}
            >
              {t('export')}
            </Button>
          </>
        }
      />
      <Group gap="xs">
        <Select
          size="xs"
          w={170}
          aria-label={t('filter.action')}
          placeholder={t('filter.anyAction')}
          clearable
          searchable
          data={actions.map((value) => ({ value, label: actionText(value) }))}
          value={params.action || null}
          onChange={(action) => setParams({ action: action ?? '' })}
        />
        <TextInput
          size="xs"
          aria-label={t('filter.target')}
          placeholder={t('filter.target')}
          value={params.target}
          onChange={(event) => setParams({ target: event.currentTarget.value.trim() })}
        />
        {time('from')}
        {time('to')}
        {params.actor && (
          <Button
            size="compact-xs"
            variant="light"
            rightSection={<IconClose size={11} />}
            onClick={() => setParams({ actor: '' })}
          >
            {t('filter.ofActor', { name: actorName })}
          </Button>
        )}
        {isFiltered && (
          <Button
            size="compact-xs"
            variant="subtle"
            onClick={() => setParams({ actor: '', action: '', target: '', from: null, to: null })}
          >
            {t('filter.clear')}
          </Button>
        )}
      </Group>
      <DataTable
        label={t('title')}
        list={list}
        columns={columns}
        rowId={(row) => String(row.id)}
        onOpen={setOpen}
        empty={{ title: t('empty') }}
        card={(row) => (
          <>
            <Group justify="space-between" gap="xs">
              <strong>{actionText(row.action)}</strong>
              <TimeText ms={row.at_ms} style="short" />
            </Group>
            <div>
              {row.actor_name} {row.target && `→ ${row.target}`}
            </div>
            <div className="k-dim" style={{ overflowWrap: 'anywhere' }}>
              {detailText(row.detail)}
            </div>
          </>
        )}
      />
      {open && <Detail row={open} onClose={() => setOpen(null)} />}
    </PageBody>
  );
}
