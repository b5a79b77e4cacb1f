import { Checkbox, MultiSelect, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import type { components } from '../../api/schema';
import { useSession } from '../../api/session';
import { useWords } from '../../i18n/words';
import { FormDialog } from '../../ui/form-dialog';

export type MadeKey = components['schemas']['MadeKey'];

export function KeyDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeKey) => void }) {
  const { t } = useTranslation(['keys', 'common']);
  const words = useWords();
  const sites = useSites();
  const client = useQueryClient();
  // Nobody gives a key more than they may do themselves.
  const { rights } = useSession();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<string[]>(['read']);
  const [at, setAt] = useState<string[]>([]);
  const save = async () => {
    const where = at.length > 0 ? { sites: at } : {};
    const made = await api.post<MadeKey>('/keys', { name: name.trim(), scopes, ...where });
    void client.invalidateQueries({ queryKey: ['keys'] });
    onMade(made);
  };
  return (
    <FormDialog
      title={t('new')}
      submit={t('form.create')}
      disabled={name.trim() === '' || scopes.length === 0}
      onSubmit={save}
      onClose={onClose}
    >
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
            <Checkbox key={right} size="sm" value={right} label={t(`common:right.${right}`)} />
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
    </FormDialog>
  );
}
