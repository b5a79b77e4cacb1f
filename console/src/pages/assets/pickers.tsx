/** Choosing one of thousands: asked of the collector while somebody types. */
import { Select } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { Device, Page } from '../../api/types';
import { assetQuery } from './data';
import type { Asset } from './types';

interface PickerProps {
  label?: string;
  description?: string;
  site: string;
  value: string | null;
  except?: string | undefined;
  onChange: (id: string | null) => void;
}

const SHOWN = 40;

export function AssetPicker({ label, description, site, value, except, onChange }: PickerProps) {
  const [typed, setTyped] = useState('');
  const [q] = useDebouncedValue(typed, 200);
  const { data } = useQuery({
    queryKey: ['assets', 'picker', { site, q }],
    queryFn: () => api.get<Page<Asset>>('/assets', { site, q, limit: SHOWN }),
    placeholderData: keepPreviousData,
  });
  const own = useQuery({ ...assetQuery(value ?? ''), enabled: value !== null }).data;
  const found = (data?.items ?? []).filter((asset) => asset.id !== except);
  const all = own && !found.some((asset) => asset.id === own.id) ? [own, ...found] : found;
  return (
    <Select
      label={label}
      description={description}
      data={all.map((asset) => ({ value: asset.id, label: asset.name }))}
      value={value}
      onChange={onChange}
      onSearchChange={setTyped}
      // The collector has searched already, and in more than the name.
      filter={({ options }) => options}
      searchable
      clearable
    />
  );
}

export function DevicePicker({ site, value, onChange }: PickerProps) {
  const { t } = useTranslation('assets');
  const [typed, setTyped] = useState('');
  const [q] = useDebouncedValue(typed, 200);
  const { data } = useQuery({
    queryKey: ['devices-picker', { site, q }],
    queryFn: () => api.get<Page<Device>>('/devices', { site, q, limit: SHOWN }),
    placeholderData: keepPreviousData,
  });
  const found = (data?.items ?? []).map((device) => ({
    value: device.id,
    label: `${device.label} (${device.key})`,
  }));
  const all =
    value && !found.some((each) => each.value === value) ? [{ value, label: value }, ...found] : found;
  return (
    <Select
      label={t('field.device')}
      description={t('deviceHelp')}
      data={all}
      value={value}
      onChange={onChange}
      onSearchChange={setTyped}
      filter={({ options }) => options}
      searchable
      clearable
    />
  );
}
