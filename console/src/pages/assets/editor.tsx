/** The form of an asset, to make one or to change one. */
import { Group, NumberInput, Select, TagsInput, Textarea, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { areaPath, areasQuery } from '../../api/areas';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { DateField } from '../../ui/date-fields';
import { FormDialog } from '../../ui/form-dialog';
import classes from './assets.module.css';
import { documentsText, licencesText, readDocuments, readLicences } from './lines';
import { AssetPicker, DevicePicker } from './pickers';
import type { Asset } from './types';

type Draft = Omit<
  Asset,
  'id' | 'revision' | 'created_ms' | 'changed_ms' | 'neighbours' | 'licences' | 'documents'
> & {
  licences: string;
  documents: string;
};

function draftOf(asset: Asset | null, site: string): Draft {
  const { id: _i, revision: _r, created_ms: _c, changed_ms: _d, neighbours: _n, ...rest } = asset ?? EMPTY;
  return {
    ...rest,
    site: asset?.site ?? site,
    licences: licencesText(rest.licences ?? []),
    documents: documentsText(rest.documents ?? []),
  };
}

const EMPTY: Asset = {
  id: '',
  revision: 0,
  site: '',
  area: null,
  name: '',
  class: '',
  key: null,
  profile: '',
  address: '',
  interfaces: [],
  maker: '',
  model: '',
  serial: '',
  rack: '',
  rack_unit: null,
  height_units: null,
  installed: null,
  warranty_until: null,
  licences: [],
  owner: '',
  documents: [],
  parent: null,
  neighbours: [],
  device: null,
  note: '',
  tags: [],
};

/** What differs from what was, so that two people who change different things do not undo each other. */
function changesOf(draft: Draft, before: Draft): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(draft)) {
    if (JSON.stringify(value) === JSON.stringify(before[name as keyof Draft])) continue;
    if (name === 'licences') changes[name] = readLicences(String(value));
    else if (name === 'documents') changes[name] = readDocuments(String(value));
    else changes[name] = value;
  }
  return changes;
}

interface EditorProps {
  /** `null` to make a new one. */
  asset: Asset | null;
  onClose: () => void;
  onDone?: (asset: Asset) => void;
}

export function AssetEditor({ asset, onClose, onDone }: EditorProps) {
  const { t } = useTranslation('assets');
  const { t: common } = useTranslation('common');
  const words = useWords();
  const client = useQueryClient();
  const sites = useSites();
  const [chosen] = useSite();
  const [before] = useState(() => draftOf(asset, chosen ?? sites[0]?.id ?? ''));
  const [draft, setDraft] = useState(before);
  const areas = useQuery(areasQuery(draft.site)).data ?? [];
  const set = (change: Partial<Draft>) => setDraft((old) => ({ ...old, ...change }));
  const text = (
    name: 'name' | 'class' | 'maker' | 'model' | 'serial' | 'rack' | 'owner' | 'profile' | 'address',
    required = false,
  ) => (
    <TextInput
      label={t(`field.${name}`)}
      required={required}
      maxLength={200}
      value={draft[name]}
      onChange={(event) => set({ [name]: event.currentTarget.value })}
    />
  );
  const date = (name: 'installed' | 'warranty_until') => (
    <DateField label={t(`field.${name}`)} value={draft[name]} onChange={(value) => set({ [name]: value })} />
  );
  const units = (name: 'rack_unit' | 'height_units') => (
    <NumberInput
      label={t(`field.${name}`)}
      suffix=" U"
      min={1}
      max={60}
      value={draft[name] ?? ''}
      onChange={(value) => set({ [name]: typeof value === 'number' ? value : null })}
    />
  );

  const save = async () => {
    const changes = asset
      ? { ...changesOf(draft, before), revision: asset.revision }
      : { ...draft, licences: readLicences(draft.licences), documents: readDocuments(draft.documents) };
    const saved = asset
      ? await api.patch<Asset>(`/assets/${encodeURIComponent(asset.id)}`, changes)
      : await api.post<Asset>('/assets', changes);
    await client.invalidateQueries({ queryKey: ['assets'] });
    await client.invalidateQueries({ queryKey: ['asset'] });
    void client.invalidateQueries({ queryKey: ['topology'] });
    return saved;
  };

  return (
    <FormDialog
      drawer
      title={asset ? t('editTitle', { name: asset.name }) : t('new')}
      submit={common('save')}
      disabled={!draft.name.trim() || !draft.class.trim() || !draft.site}
      onSubmit={save}
      onDone={(saved) => {
        onClose();
        onDone?.(saved);
      }}
      onClose={onClose}
    >
      <div className={classes['form']}>
        {text('name', true)}
        {text('class', true)}
        <Select
          label={t('field.site')}
          required
          disabled={asset !== null}
          data={sites.map((site) => ({ value: site.id, label: words.name(site.name, site.id) }))}
          value={draft.site}
          onChange={(site) => site && set({ site, area: null, parent: null, device: null })}
        />
        <Select
          label={t('field.area')}
          data={areas.map((area) => ({ value: area.id, label: areaPath(area) }))}
          value={draft.area}
          onChange={(area) => set({ area })}
          clearable
          searchable
        />
        {text('maker')}
        {text('model')}
        {text('serial')}
        <TextInput
          label={t('field.key')}
          maxLength={64}
          value={draft.key ?? ''}
          onChange={(event) => set({ key: event.currentTarget.value || null })}
        />
        {text('profile')}
        {text('address')}
        {text('owner')}
        {text('rack')}
        <Group grow>
          {units('rack_unit')}
          {units('height_units')}
        </Group>
        {date('installed')}
        {date('warranty_until')}
        <AssetPicker
          label={t('field.parent')}
          site={draft.site}
          value={draft.parent}
          except={asset?.id}
          onChange={(parent) => set({ parent })}
        />
        <DevicePicker site={draft.site} value={draft.device} onChange={(device) => set({ device })} />
        <TagsInput
          className={classes['whole'] ?? ''}
          label={t('field.tags')}
          value={draft.tags}
          onChange={(tags) => set({ tags })}
        />
        <Textarea
          className={classes['whole'] ?? ''}
          label={t('field.licences')}
          description={t('licencesHelp')}
          autosize
          minRows={2}
          value={draft.licences}
          onChange={(event) => set({ licences: event.currentTarget.value })}
        />
        <Textarea
          className={classes['whole'] ?? ''}
          label={t('field.documents')}
          description={t('documentsHelp')}
          autosize
          minRows={2}
          value={draft.documents}
          onChange={(event) => set({ documents: event.currentTarget.value })}
        />
        <Textarea
          className={classes['whole'] ?? ''}
          label={t('field.note')}
          autosize
          minRows={2}
          maxLength={2000}
          value={draft.note}
          onChange={(event) => set({ note: event.currentTarget.value })}
        />
      </div>
    </FormDialog>
  );
}
