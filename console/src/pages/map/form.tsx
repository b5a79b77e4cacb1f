/** The name of a site, its time zone and its place. */
import { Group, NumberInput, Select, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { Site } from '../../api/types';
import { FormDialog } from '../../ui/form-dialog';
import { DEFAULT_ZONE } from '../../ui/time';

export function SiteForm({ site, onClose }: { site: Site; onClose: () => void }) {
  const { t } = useTranslation('map');
  const { t: common } = useTranslation('common');
  const client = useQueryClient();
  const [draft, setDraft] = useState({
    zh: site.name?.zh ?? '',
    en: site.name?.en ?? '',
    zone: site.zone || DEFAULT_ZONE,
    lon: site.lon ?? null,
    lat: site.lat ?? null,
  });
  const set = (change: Partial<typeof draft>) => setDraft((old) => ({ ...old, ...change }));
  const save = async () => {
    const { zh, en, zone, lon, lat } = draft;
    await api.put(`/sites/${encodeURIComponent(site.id)}`, {
      name: { zh, en },
      zone,
      lon,
      lat,
      // Not in the form, and to stay as it is.
      position: site.position ?? null,
      ...(site.revision === undefined ? {} : { revision: site.revision }),
    });
    await client.invalidateQueries({ queryKey: ['sites'] });
    void client.invalidateQueries({ queryKey: ['overview'] });
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
    <FormDialog title={t('editSite')} submit={common('save')} onSubmit={save} onClose={onClose}>
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
    </FormDialog>
  );
}
