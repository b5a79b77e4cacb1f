import { Button, Group, MultiSelect, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useWords } from '../../i18n/words';
import { FormDialog } from '../../ui/form-dialog';
import { IconPlus, IconTrash } from '../../ui/icons';
import { changesOf } from './changes';
import { type Contact, type Grant, joined, ROLES, type Role, type User } from './types';

interface GrantProps {
  grant: Grant;
  onChange: (grant: Grant) => void;
  onRemove: () => void;
}

function GrantForm({ grant, onChange, onRemove }: GrantProps) {
  const { t } = useTranslation('people');
  const words = useWords();
  const sites = useSites();
  const choices = sites.map((site) => ({ value: site.id, label: words.name(site.name, site.id) }));
  for (const id of grant.sites ?? [])
    if (!choices.some(({ value }) => value === id)) choices.push({ value: id, label: id });
  return (
    <Group gap="xs" align="flex-start">
      <Select
        style={{ flex: '1 1 8rem' }}
        aria-label={t('form.roles')}
        data={ROLES.map((role) => ({ value: role, label: t(`role.${role}`) }))}
        value={grant.role}
        allowDeselect={false}
        onChange={(role) => onChange({ ...grant, role: role as Role })}
      />
      <MultiSelect
        style={{ flex: '3 1 10rem' }}
        aria-label={t('form.sites')}
        placeholder={grant.sites?.length ? '' : t('allSites')}
        searchable
        data={choices}
        value={grant.sites ?? []}
        onChange={(value) => onChange({ ...grant, sites: value.length > 0 ? value : null })}
      />
      <Button variant="subtle" color="red" px={8} aria-label={t('form.removeRole')} onClick={onRemove}>
        <IconTrash size={15} />
      </Button>
    </Group>
  );
}

interface UserDialogProps {
  user: User | null;
  onClose: () => void;
  onMade: (user: User, password: string) => void;
}

export function UserDialog({ user, onClose, onMade }: UserDialogProps) {
  const { t } = useTranslation('people');
  const client = useQueryClient();
  const [name, setName] = useState(user?.name ?? '');
  const [displayName, setDisplayName] = useState(user?.display_name ?? '');
  const [grants, setGrants] = useState<Grant[]>(user?.grants ?? [{ role: 'operator', sites: null }]);
  const { data: known } = useQuery({
    queryKey: ['user-contact', user?.id],
    queryFn: () => api.get<Contact>(`/users/${encodeURIComponent(user?.id ?? '')}/contact`),
    enabled: user !== null,
  });
  const [touched, setTouched] = useState<Partial<Contact>>({});
  const contact: Contact = { email: null, phone: null, language: 'zh', ...known, ...touched };
  /** A user that was made stays made when what follows fails: trying again must not make another one. */
  const [made, setMade] = useState<User | null>(null);
  const touch = (part: Partial<Contact>) => setTouched((before) => ({ ...before, ...part }));
  const save = async () => {
    const wanted = { display_name: displayName.trim() || name.trim(), grants: joined(grants) };
    const existing = user ?? made;
    let id = existing?.id;
    if (existing) {
      const change = changesOf(existing, wanted);
      const revision = existing.revision === undefined ? {} : { revision: existing.revision };
      if (Object.keys(change).length > 0)
        await api.patch(`/users/${encodeURIComponent(existing.id)}`, { ...change, ...revision });
    } else {
      const answer = await api.post<{ user: User; password: string }>('/users', {
        name: name.trim(),
        ...wanted,
      });
      id = answer.user.id;
      setMade(answer.user);
      // The password is shown once: whatever happens next, it must be on the screen.
      onMade(answer.user, answer.password);
    }
    void client.invalidateQueries({ queryKey: ['users'] });
    if (Object.keys(touched).length === 0) return;
    await api.put(`/users/${encodeURIComponent(id ?? '')}/contact`, contact);
    void client.invalidateQueries({ queryKey: ['user-contact', id] });
  };
  return (
    <FormDialog
      title={user ? t('form.edit', { name: user.display_name }) : t('form.title')}
      submit={t(user ? 'form.save' : 'form.create')}
      size="lg"
      disabled={name.trim() === '' || grants.length === 0}
      onSubmit={save}
      onClose={onClose}
    >
      <Group grow align="flex-start">
        <TextInput
          data-autofocus
          label={t('form.name')}
          description={t('form.nameHelp')}
          required
          disabled={user !== null || made !== null}
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label={t('form.displayName')}
          description={'\u00a0'}
          value={displayName}
          onChange={(event) => setDisplayName(event.currentTarget.value)}
        />
      </Group>
      <div>
        <Text size="sm" fw={500}>
          {t('form.roles')}
        </Text>
        <Text size="xs" c="dimmed" mb={6}>
          {t('form.sitesHelp')}
        </Text>
        <Stack gap="xs">
          {grants.map((grant, at) => (
            <GrantForm
              // biome-ignore lint/suspicious/noArrayIndexKey: a grant is its place until it is saved
              key={at}
              grant={grant}
              onChange={(next) => setGrants(grants.map((each, index) => (index === at ? next : each)))}
              onRemove={() => setGrants(grants.filter((_, index) => index !== at))}
            />
          ))}
        </Stack>
        {grants.length === 0 && (
          <Text size="sm" c="var(--k-bad)">
            {t('form.needRole')}
          </Text>
        )}
        <Button
          mt="xs"
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={13} />}
          onClick={() => setGrants([...grants, { role: 'viewer', sites: null }])}
        >
          {t('form.addRole')}
        </Button>
      </div>
      <Text size="sm" fw={500}>
        {t('form.contact')}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="sm">
        <TextInput
          label={t('form.email')}
          type="email"
          disabled={user !== null && known === undefined}
          value={contact.email ?? ''}
          onChange={(event) => touch({ email: event.currentTarget.value.trim() || null })}
        />
        <TextInput
          label={t('form.phone')}
          type="tel"
          disabled={user !== null && known === undefined}
          value={contact.phone ?? ''}
          onChange={(event) => touch({ phone: event.currentTarget.value.trim() || null })}
        />
        <Select
          label={t('form.language')}
          data={(['zh', 'en'] as const).map((value) => ({
            value,
            label: t(`notifications:language.${value}`),
          }))}
          value={contact.language}
          allowDeselect={false}
          onChange={(value) => touch({ language: value as 'zh' | 'en' })}
        />
      </SimpleGrid>
    </FormDialog>
  );
}
