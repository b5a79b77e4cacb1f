import { Autocomplete, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useSite } from '../../app/site';
import { FormDialog } from '../../ui/form-dialog';
import type { MadeToken } from '.';

export function EnrolDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeToken) => void }) {
  const { t } = useTranslation('agents');
  const client = useQueryClient();
  const sites = useSites();
  const [chosen] = useSite();
  const [agent, setAgent] = useState('');
  const [site, setSite] = useState(chosen ?? '');
  const save = async () => {
    const made = await api.post<MadeToken>('/agents', { agent: agent.trim(), site: site.trim() });
    for (const key of ['agents', 'sites', 'overview']) void client.invalidateQueries({ queryKey: [key] });
    onMade(made);
  };
  return (
    <FormDialog
      title={t('enrol')}
      submit={t('form.create')}
      disabled={agent.trim() === '' || site.trim() === ''}
      onSubmit={save}
      onClose={onClose}
    >
      <TextInput
        data-autofocus
        label={t('form.agent')}
        description={t('form.agentHelp')}
        required
        value={agent}
        onChange={(event) => setAgent(event.currentTarget.value)}
      />
      <Autocomplete
        label={t('form.site')}
        description={t('form.siteHelp')}
        required
        data={sites.map(({ id }) => id)}
        value={site}
        onChange={setSite}
      />
    </FormDialog>
  );
}
