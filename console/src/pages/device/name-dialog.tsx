import { TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { DeviceDetail } from '../../api/types';
import { AreaInput } from '../../ui/area-select';
import { FormDialog } from '../../ui/form-dialog';

/** Changes the device's name and area; what is left empty goes back to what its agent says. */
export function NameDialog({ device, onClose }: { device: DeviceDetail; onClose: () => void }) {
  const { t } = useTranslation('device');
  const client = useQueryClient();
  const [label, setLabel] = useState(device.label);
  const [area, setArea] = useState(device.area);
  const save = async () => {
    const names = { label: label.trim(), area: area.trim() };
    const changed = await api.put<DeviceDetail>(`/devices/${encodeURIComponent(device.id)}`, names);
    client.setQueryData(['device', device.id], changed);
    void client.invalidateQueries({ queryKey: ['devices'] });
  };
  return (
    <FormDialog title={t('renameTitle')} submit={t('save')} onSubmit={save} onClose={onClose}>
      <TextInput
        label={t('name')}
        description={t('renameText')}
        maxLength={100}
        value={label}
        onChange={(event) => setLabel(event.currentTarget.value)}
        data-autofocus
      />
      <AreaInput label={t('area')} site={device.site} value={area} onChange={setArea} />
    </FormDialog>
  );
}
