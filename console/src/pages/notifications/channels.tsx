/** The means by which people and programs are told. */
import { Button, Group, Table, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconEdit, IconPlus, IconSend, IconTrash } from '../../ui/icons';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState, useProblemText } from '../../ui/states';
import { ChannelDialog } from './channel-dialog';
import { channelsQuery } from './data';
import { destination } from './fields';
import type { Channel } from './types';

interface TestAnswer {
  delivered: boolean;
  problem?: string | null;
}

function ChannelRow({
  channel,
  mayChange,
  onEdit,
  onDelete,
}: {
  channel: Channel;
  mayChange: boolean;
  onEdit: () => void;
  onDelete: () => void;
}) {
  const { t } = useTranslation('notifications');
  const problemText = useProblemText();
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () => api.post<TestAnswer>(`/notification-channels/${encodeURIComponent(channel.id)}/test`),
    onSettled: () => void client.invalidateQueries({ queryKey: ['notifications'] }),
  });
  return (
    <Table.Tr>
      <Table.Td>
        <strong>{channel.name}</strong>{' '}
        {!channel.enabled && <ToneBadge tone="off">{t('channel.disabled')}</ToneBadge>}
        <div className="k-dim">
          {t(`kind.${channel.kind}`)} · {t(`language.${channel.language}`)} · {t('channel.rate')}{' '}
          {channel.rate_per_hour} {t('channel.perHour')}
        </div>
        {channel.missing_secrets && channel.missing_secrets.length > 0 && (
          <Text size="sm" c="var(--k-warn)">
            {t('channel.missing', { names: channel.missing_secrets.join(', ') })}
          </Text>
        )}
        {test.data && (
          <Text size="sm" c={test.data.delivered ? 'var(--k-ok)' : 'var(--k-bad)'} role="status">
            {t(test.data.delivered ? 'channel.delivered' : 'channel.notDelivered')}
            {test.data.problem && `: ${test.data.problem}`}
          </Text>
        )}
        {test.error && (
          <Text size="sm" c="var(--k-bad)" role="alert">
            {problemText(test.error)}
          </Text>
        )}
      </Table.Td>
      <Table.Td visibleFrom="sm" style={{ overflowWrap: 'anywhere' }}>
        {destination(channel.kind, channel.settings)}
        {channel.settings.has_secret === true && <div className="k-dim">{t('channel.secret')}</div>}
      </Table.Td>
      <Table.Td>
        {mayChange && (
          <Group gap={6} justify="flex-end">
            <Button
              size="compact-sm"
              variant="default"
              title={t('channel.testHelp')}
              leftSection={<IconSend size={13} />}
              loading={test.isPending}
              onClick={() => test.mutate()}
            >
              {t('channel.test')}
            </Button>
            <Button
              size="compact-sm"
              variant="subtle"
              aria-label={`${t('channel.edit')}: ${channel.name}`}
              onClick={onEdit}
            >
              <IconEdit size={14} />
            </Button>
            <Button
              size="compact-sm"
              variant="subtle"
              color="red"
              aria-label={`${t('channel.delete')}: ${channel.name}`}
              onClick={onDelete}
            >
              <IconTrash size={14} />
            </Button>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

export function Channels({ mayChange }: { mayChange: boolean }) {
  const { t } = useTranslation('notifications');
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(channelsQuery);
  const [editing, setEditing] = useState<Channel | 'new' | null>(null);
  const [deleting, setDeleting] = useState<Channel | null>(null);
  const add = mayChange && (
    <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setEditing('new')}>
      {t('channel.new')}
    </Button>
  );
  return (
    <Panel title={t('tab.channels')} aside={add} flush>
      {error && !data && <ProblemState error={error} retry={() => void refetch()} />}
      {!data && !error && <LoadingState rows={4} />}
      {data?.length === 0 && <EmptyState title={t('channel.empty')} text={t('channel.emptyText')} />}
      {data && data.length > 0 && (
        <Table>
          <Table.Tbody>
            {data.map((channel) => (
              <ChannelRow
                key={channel.id}
                channel={channel}
                mayChange={mayChange}
                onEdit={() => setEditing(channel)}
                onDelete={() => setDeleting(channel)}
              />
            ))}
          </Table.Tbody>
        </Table>
      )}
      {editing && (
        <ChannelDialog channel={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />
      )}
      <ConfirmDialog
        opened={deleting !== null}
        danger
        title={t('channel.deleteTitle', { name: deleting?.name })}
        confirm={t('channel.delete')}
        onClose={() => setDeleting(null)}
        onConfirm={async () => {
          await api.delete(`/notification-channels/${encodeURIComponent(deleting?.id ?? '')}`);
          await client.invalidateQueries({ queryKey: ['notification-channels'] });
        }}
      >
        <Text size="sm">{t('channel.deleteText')}</Text>
      </ConfirmDialog>
    </Panel>
  );
}
