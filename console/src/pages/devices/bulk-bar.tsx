/** What can be done to the chosen devices. */
import { Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useMay } from '../../api/session';
import type { Right } from '../../api/types';
import { IconBellOff, IconClose, IconPin, IconWindow } from '../../ui/icons';
import { ToolButton } from '../../ui/tool-button';
import { AreaDialog } from './area-dialog';
import classes from './devices.module.css';
import { MaintenanceDialog } from './maintenance-dialog';
import { ShelveDialog } from './shelve-dialog';

interface BulkBarProps {
  ids: readonly string[];
  /** Where they are. */
  sites: readonly string[];
  onClear: () => void;
}

export function BulkBar({ ids, sites, onClear }: BulkBarProps) {
  const { t } = useTranslation('devices');
  const [open, setOpen] = useState<'area' | 'maintenance' | 'shelve' | null>(null);
  const may = useMay();
  const mayEverywhere = (right: Right) => sites.every((site) => may(right, site));
  const [mayConfigure, mayMaintain, mayOperate] = [
    mayEverywhere('configure'),
    mayEverywhere('maintain'),
    mayEverywhere('operate'),
  ];
  const close = () => setOpen(null);
  return (
    <div className={classes['bulk']} role="toolbar" aria-label={t('bulk.label')}>
      <Text fw={600}>{t('bulk.chosen', { count: ids.length })}</Text>
      <Group gap="xs">
        {mayMaintain && (
          <ToolButton icon={IconWindow} onClick={() => setOpen('maintenance')}>
            {t('bulk.maintenance')}
          </ToolButton>
        )}
        {mayOperate && (
          <ToolButton icon={IconBellOff} onClick={() => setOpen('shelve')}>
            {t('bulk.shelve')}
          </ToolButton>
        )}
        {mayConfigure && (
          <ToolButton icon={IconPin} onClick={() => setOpen('area')}>
            {t('bulk.area')}
          </ToolButton>
        )}
        <Button size="xs" variant="subtle" leftSection={<IconClose size={14} />} onClick={onClear}>
          {t('bulk.clear')}
        </Button>
      </Group>
      <MaintenanceDialog ids={ids} opened={open === 'maintenance'} onClose={close} />
      <ShelveDialog ids={ids} opened={open === 'shelve'} onClose={close} />
      <AreaDialog ids={ids} opened={open === 'area'} onClose={close} />
    </div>
  );
}
