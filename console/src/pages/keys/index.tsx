/** Keys by which other systems ask the collector. */
import { Button, Switch, Table, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { components } from '../../api/schema';
import type { Page } from '../../api/types';
import { flag, useParams } from '../../app/params';
import { ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconPlus } from '../../ui/icons';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { Once } from '../people/once';
import { KeyDialog, type MadeKey } from './key-dialog';

type Key = components['schemas']['KeyView'];

const PARAMS = { revoked: flag() };

export default function KeysPage() {
  const { t } = useTranslation('keys');
  const client = useQueryClient();
  const [params, setParams] = useParams(PARAMS);
  const { data, error, refetch } = useQuery({
    queryKey: ['keys'],
    queryFn: async () => (await api.get<Page<Key>>('/keys')).items,
  });
  const [isNew, setNew] = useState(false);
  const [made, setMade] = useState<MadeKey | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const keys = (data ?? []).filter((key) => params.revoked || typeof key.revoked_ms !== 'number');
  return (
    <PageBody>
      <PageHeader
        title={t('title')}
        description={t('subtitle')}
        actions={
          <>
            <Switch
              size="xs"
              label={t('showRevoked')}
              checked={params.revoked}
              onChange={(event) => setParams({ revoked: event.currentTarget.checked })}
            />
            <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setNew(true)}>
              {t('new')}
            </Button>
          </>
        }
      />
      <Panel flush>
        {error && !data && <ProblemState error={error} retry={() => void refetch()} />}
        {!data && !error && <LoadingState rows={5} />}
        {data && keys.length === 0 && <EmptyState title={t('empty')} text={t('emptyText')} />}
        {keys.length > 0 && (
          <Table.ScrollContainer minWidth={0}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('column.name')}</Table.Th>
                  <Table.Th>{t('column.scopes')}</Table.Th>
                  <Table.Th visibleFrom="sm">{t('column.sites')}</Table.Th>
                  <Table.Th visibleFrom="sm">{t('column.made')}</Table.Th>
                  <Table.Th>{t('column.state')}</Table.Th>
                  <Table.Th />
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {keys.map((key) => (
                  <Table.Tr key={key.id}>
                    <Table.Td>{key.name}</Table.Td>
                    <Table.Td>{key.scopes.map((scope) => t(`common:right.${scope}`)).join(' · ')}</Table.Td>
                    <Table.Td visibleFrom="sm">{key.sites?.join(', ') ?? t('allSites')}</Table.Td>
                    <Table.Td visibleFrom="sm">
                      <TimeText ms={key.created_ms} style="date" />
                    </Table.Td>
                    <Table.Td>
                      {typeof key.revoked_ms === 'number' ? (
                        <ToneBadge tone="off">{t('revoked')}</ToneBadge>
                      ) : (
                        <ToneBadge tone="ok">{t('active')}</ToneBadge>
                      )}
                    </Table.Td>
                    <Table.Td ta="right">
                      {typeof key.revoked_ms !== 'number' && (
                        <Button
                          size="compact-sm"
                          variant="subtle"
                          color="red"
                          onClick={() => setRevoking(key)}
                        >
                          {t('revoke')}
                        </Button>
                      )}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Panel>
      {isNew && <KeyDialog onClose={() => setNew(false)} onMade={setMade} />}
      {made && (
        <Once
          title={t('made.title')}
          text={t('made.text', { name: made.name })}
          secret={made.key}
          words={{ copy: t('made.copy'), copied: t('made.copied'), done: t('made.done') }}
          onClose={() => setMade(null)}
        />
      )}
      <ConfirmDialog
        opened={revoking !== null}
        danger
        title={t('revokeTitle', { name: revoking?.name })}
        confirm={t('revoke')}
        onClose={() => setRevoking(null)}
        onConfirm={async () => {
          await api.delete(`/keys/${encodeURIComponent(revoking?.id ?? '')}`);
          await client.invalidateQueries({ queryKey: ['keys'] });
        }}
      >
        <Text size="sm">{t('revokeText')}</Text>
      </ConfirmDialog>
    </PageBody>
  );
}
