/** Keys by which other systems ask the collector. */
import {
  Button,
  Checkbox,
  Group,
  Modal,
  MultiSelect,
  Stack,
  Switch,
  Table,
  Text,
  TextInput,
} from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import type { components } from '../../api/schema';
import { useSession } from '../../api/session';
import type { Page } from '../../api/types';
import { flag, useParams } from '../../app/params';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconPlus } from '../../ui/icons';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState, useProblemText } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { Once } from '../people/once';

type Key = components['schemas']['KeyView'];
type Made = components['schemas']['MadeKey'];

const PARAMS = { revoked: flag() };

function KeyDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
  const { t } = useTranslation('keys');
  const words = useWords();
  const sites = useSites();
  const client = useQueryClient();
  const problemText = useProblemText();
  // Nobody gives a key more than they may do themselves.
  const { rights } = useSession();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<string[]>(['read']);
  const [at, setAt] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const isBlocked = name.trim() === '' || scopes.length === 0;
  const save = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const made = await api.post<Made>('/keys', {
        name: name.trim(),
        scopes,
        ...(at.length > 0 ? { sites: at } : {}),
      });
      void client.invalidateQueries({ queryKey: ['keys'] });
      onMade(made);
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={t('new')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBlocked && !busy) void save();
        }}
      >
        <Stack gap="sm">
          <TextInput
            data-autofocus
            label={t('form.name')}
            placeholder={t('form.nameHint')}
            required
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Checkbox.Group label={t('form.scopes')} value={scopes} onChange={setScopes}>
            <Stack gap={6} mt={4}>
              {rights.map((right) => (
                <Checkbox key={right} size="sm" value={right} label={t(`scope.${right}`)} />
              ))}
            </Stack>
          </Checkbox.Group>
          {scopes.length === 0 && (
            <Text size="sm" c="var(--k-bad)">
              {t('form.needScope')}
            </Text>
          )}
          <MultiSelect
            label={t('form.sites')}
            description={t('form.sitesHelp')}
            searchable
            data={sites.map((site) => ({ value: site.id, label: words.name(site.name, site.id) }))}
            value={at}
            onChange={setAt}
          />
          {problem !== null && (
            <Text c="var(--k-bad)" size="sm" role="alert">
              {problemText(problem)}
            </Text>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={busy}>
              {t('form.cancel')}
            </Button>
            <Button type="submit" loading={busy} disabled={isBlocked}>
              {t('form.create')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

export default function KeysPage() {
  const { t } = useTranslation('keys');
  const client = useQueryClient();
  const [params, setParams] = useParams(PARAMS);
  const { data, error, refetch } = useQuery({
    queryKey: ['keys'],
    queryFn: async () => (await api.get<Page<Key>>('/keys')).items,
  });
  const [isNew, setNew] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
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
                    <Table.Td>{key.scopes.map((scope) => t(`scope.${scope}`)).join(' · ')}</Table.Td>
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
