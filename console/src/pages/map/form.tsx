/** The name of a site, its time zone and its place. */
import { Button, Group, Modal, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { Site } from '../../api/types';
import { useProblemText } from '../../ui/states';
import { DEFAULT_ZONE } from '../../ui/time';

export function SiteForm({ site, onClose }: { site: Site; onClose: () => void }) {
  const { t } = useTranslation('map');
  const { t: common } = useTranslation('common');
  const problemText = useProblemText();
  const client = useQueryClient();
  const [draft, setDraft] = useState({
    zh: site.name?.zh ?? '',
    en: site.name?.en ?? '',
    zone: site.zone || DEFAULT_ZONE,
    lon: site.lon ?? null,
    lat: site.lat ?? null,
  });
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const set = (change: Partial<typeof draft>) => setDraft((old) => ({ ...old, ...change }));
  const save = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const { zh, en, zone, lon, lat } = draft;
      await api.put(`/sites/${encodeURIComponent(site.id)}`, { name: { zh, en }, zone, lon, lat });
      await client.invalidateQueries({ queryKey: ['sites'] });
      void client.invalidateQueries({ queryKey: ['overview'] });
      onClose();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const degrees = (name: 'lon' | 'lat', most: number) => (
    <NumberInput
      label={t(`form.${name}`)}
      suffix="°"
      min={-most}
      max={most}
      decimalScale={6}
      value={draft[name] ?? ''}
      onChange={(value) => set({ [name]: typeof value === 'number' ? value : null })}
    />
  );
  return (
    <Modal
      opened
      onClose={onClose}
      title={t('editSite')}
      closeButtonProps={{ 'aria-label': common('close') }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void save();
        }}
      >
        <Stack gap="sm">
          <TextInput
            label={t('form.zh')}
            maxLength={100}
            value={draft.zh}
            onChange={(event) => set({ zh: event.currentTarget.value })}
          />
          <TextInput
            label={t('form.en')}
            maxLength={100}
            value={draft.en}
            onChange={(event) => set({ en: event.currentTarget.value })}
          />
          <Select
            label={t('form.zone')}
            data={Intl.supportedValuesOf('timeZone')}
            value={draft.zone}
            onChange={(zone) => zone && set({ zone })}
            searchable
          />
          <Group grow>
            {degrees('lon', 180)}
            {degrees('lat', 85)}
          </Group>
          {problem !== null && (
            <Text c="var(--k-bad)" size="sm" role="alert">
              {problemText(problem)}
            </Text>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={busy}>
              {common('cancel')}
            </Button>
            <Button type="submit" loading={busy}>
              {common('save')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
