/** What the device is, and how it is. */
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useRight } from '../../api/session';
import type { DeviceDetail } from '../../api/types';
import { useWords } from '../../i18n/words';
import { HealthBadge } from '../../ui/badges';
import { IconEdit, IconWindow } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { PageHeader } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { Age } from '../../ui/time-text';
import { ToolButton } from '../../ui/tool-button';
import { MaintenanceDialog } from '../devices/maintenance-dialog';
import { NameDialog } from './name-dialog';
import { UnderMaintenance } from './under-maintenance';

export function Head({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const words = useWords();
  const [open, setOpen] = useState<'name' | 'maintenance' | null>(null);
  const [mayConfigure, mayMaintain] = [useRight('configure', device.site), useRight('maintain', device.site)];
  const { health } = device;
  return (
    <>
      <PageHeader
        title={device.label}
        aside={
          <>
            <HealthBadge health={health} />
            <span className="k-dim">
              {t('for')} <Age ms={health.time_ms} site={device.site} />
            </span>
            <UnderMaintenance device={device} />
          </>
        }
        description={
          <>
            <AppLink to="/devices" search={{ class: device.class }}>
              {words.class(device.class)}
            </AppLink>
            {' · '}
            <SiteName id={device.site} />
            {device.area && (
              <>
                {' · '}
                <AppLink to="/devices" search={{ area: device.area, site: device.site }}>
                  {device.area}
                </AppLink>
              </>
            )}
            {(health.reason || words.text(health)) && (
              <div>
                {[words.reason(health.reason), words.text(health)].filter((part) => part !== '').join(' · ')}
              </div>
            )}
            {!health.current && <div>{t('notCurrent')}</div>}
          </>
        }
        actions={
          <>
            {mayMaintain && (
              <ToolButton icon={IconWindow} onClick={() => setOpen('maintenance')}>
                {t('maintenance')}
              </ToolButton>
            )}
            {mayConfigure && (
              <ToolButton icon={IconEdit} onClick={() => setOpen('name')}>
                {t('rename')}
              </ToolButton>
            )}
          </>
        }
      />
      <MaintenanceDialog ids={[device.id]} opened={open === 'maintenance'} onClose={() => setOpen(null)} />
      {open === 'name' && <NameDialog device={device} onClose={() => setOpen(null)} />}
    </>
  );
}
