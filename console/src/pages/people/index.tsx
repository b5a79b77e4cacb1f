/** Who may sign in, what they are, and where. */
import { Button, Group, Menu, Table, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSession } from '../../api/session';
import type { Page } from '../../api/types';
import { text, useParams } from '../../app/params';
import { ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconMore, IconPlus, IconSearch } from '../../ui/icons';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { TimeText } from '../../ui/time-text';
import { Once } from './once';
import { found, type User } from './types';
import { UserDialog } from './user-dialog';

const PARAMS = { q: text() };

type Asked = { what: 'disable' | 'reset'; user: User };

function Grants({ user }: { user: User }) {
  const { t } = useTranslation('people');
  return (
    <>
      {user.grants.map((grant) => (
        <div key={grant.role} title={t(`roleHelp.${grant.role}`)}>
          {t(`role.${grant.role}`)}
          <span className="k-dim">
            {' · '}
            {grant.sites?.length
              ? grant.sites.map((site, at) => (
                  <span key={site}>
                    {at > 0 && ', '}
                    <SiteName id={site} />
                  </span>
                ))
              : t('allSites')}
          </span>
        </div>
      ))}
    </>
  );
}

function State({ user }: { user: User }) {
  const { t } = useTranslation('people');
  if (typeof user.disabled_ms === 'number') return <ToneBadge tone="off">{t('state.disabled')}</ToneBadge>;
  if (user.must_change_password) return <ToneBadge tone="warn">{t('state.first')}</ToneBadge>;
  return <ToneBadge tone="ok">{t('state.active')}</ToneBadge>;
}

interface UserRowProps {
  user: User;
  onEdit: () => void;
  onAsk: (what: Asked['what']) => void;
  onEnable: () => void;
}

function UserRow({ user, onEdit, onAsk, onEnable }: UserRowProps) {
  const { t } = useTranslation('people');
  const me = useSession();
  const isOff = typeof user.disabled_ms === 'number';
  return (
    <Table.Tr>
      <Table.Td>
        <strong>{user.display_name}</strong>{' '}
        {user.id === me.id && <span className="k-dim">({t('you')})</span>}
        <div className="k-dim">
          {user.name}
          {user.is_external && ` · ${t('external')}`}
        </div>
      </Table.Td>
      <Table.Td>
        <Grants user={user} />
      </Table.Td>
      <Table.Td>
        <State user={user} />
      </Table.Td>
      <Table.Td visibleFrom="md">
        <TimeText ms={user.created_ms} style="date" />
      </Table.Td>
      <Table.Td ta="right">
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="compact-sm" variant="subtle" aria-label={`${t('more')}: ${user.display_name}`}>
              <IconMore size={16} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={onEdit}>{t('edit')}</Menu.Item>
            {!user.is_external && <Menu.Item onClick={() => onAsk('reset')}>{t('password.reset')}</Menu.Item>}
            {isOff ? (
              <Menu.Item onClick={onEnable}>{t('enable')}</Menu.Item>
            ) : (
              <Menu.Item color="red" disabled={user.id === me.id} onClick={() => onAsk('disable')}>
                {t('disable')}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      </Table.Td>
    </Table.Tr>
  );
}

export default function PeoplePage() {
  const { t } = useTranslation('people');
  const client = useQueryClient();
  const [params, setParams] = useParams(PARAMS);
  const { data, error, refetch } = useQuery({
    queryKey: ['users'],
    queryFn: async () => (await api.get<Page<User>>('/users')).items,
  });
  const [editing, setEditing] = useState<User | 'new' | null>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [made, setMade] = useState<{ name: string; password: string } | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ['users'] });
  const path = (user: User) => `/users/${encodeURIComponent(user.id)}`;
  const users = found(data ?? [], params.q);
  const confirm = async () => {
    if (!asked) return;
    if (asked.what === 'disable') await api.patch(path(asked.user), { disabled: true });
    else {
      const answer = await api.post<{ password: string }>(`${path(asked.user)}/password`);
      setMade({ name: asked.user.display_name, password: answer.password });
    }
    await refresh();
  };
  const name = asked?.user.display_name;
  return (
    <PageBody>
      <PageHeader
        title={t('title')}
        description={t('subtitle')}
        actions={
          <Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setEditing('new')}>
            {t('new')}
          </Button>
        }
      />
      <Group>
        <TextInput
          size="xs"
          type="search"
          w={260}
          aria-label={t('search')}
          placeholder={t('search')}
          leftSection={<IconSearch size={14} />}
          value={params.q}
          onChange={(event) => setParams({ q: event.currentTarget.value })}
        />
      </Group>
      <Panel flush>
        {error && !data && <ProblemState error={error} retry={() => void refetch()} />}
        {!data && !error && <LoadingState rows={6} />}
        {data && users.length === 0 && <EmptyState title={t(data.length > 0 ? 'emptyFiltered' : 'empty')} />}
        {users.length > 0 && (
          <Table.ScrollContainer minWidth={0}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('column.name')}</Table.Th>
                  <Table.Th>{t('column.roles')}</Table.Th>
                  <Table.Th>{t('column.state')}</Table.Th>
                  <Table.Th visibleFrom="md">{t('column.made')}</Table.Th>
                  <Table.Th />
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {users.map((user) => (
                  <UserRow
                    key={user.id}
                    user={user}
                    onEdit={() => setEditing(user)}
                    onAsk={(what) => setAsked({ what, user })}
                    onEnable={() => void api.patch(path(user), { disabled: false }).then(refresh)}
                  />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Panel>
      {editing && (
        <UserDialog
          user={editing === 'new' ? null : editing}
          onClose={() => setEditing(null)}
          onMade={(user, password) => setMade({ name: user.display_name, password })}
        />
      )}
      <ConfirmDialog
        opened={asked !== null}
        danger
        title={asked?.what === 'reset' ? t('password.resetTitle', { name }) : t('disableTitle', { name })}
        confirm={t(asked?.what === 'reset' ? 'password.reset' : 'disable')}
        onClose={() => setAsked(null)}
        onConfirm={confirm}
      >
        <Text size="sm">{t(asked?.what === 'reset' ? 'password.resetText' : 'disableText')}</Text>
      </ConfirmDialog>
      {made && (
        <Once
          title={t('password.title')}
          text={t('password.text', { name: made.name })}
          secret={made.password}
          words={{ copy: t('password.copy'), copied: t('password.copied'), done: t('password.done') }}
          onClose={() => setMade(null)}
        />
      )}
    </PageBody>
  );
}
