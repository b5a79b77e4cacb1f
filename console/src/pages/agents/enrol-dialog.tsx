import { Autocomplete, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useSite } from '../../app/site';
import { useProblemText } from '../../ui/states';
import type { MadeToken } from '.';

export function EnrolDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeToken) => void }) {
  const { t } = useTranslation('agents');
  const client = useQueryClient();
  const problemText = useProblemText();
  const sites = useSites();
  const [chosen] = useSite();
  const [agent, setAgent] = useState('');
  const [site, setSite] = useState(chosen ?? '');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const isBlocked = agent.trim() === '' || site.trim() === '';
  const save = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const made = await api.post<MadeToken>('/agents', { agent: agent.trim(), site: site.trim() });
      for (const key of ['agents', 'sites', 'overview']) void client.invalidateQueries({ queryKey: [key] });
      onMade(made);
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={t('enrol')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBlocked && !busy) void save();
        }}
      >
        <Stack gap="sm">
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
