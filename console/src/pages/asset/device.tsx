/** The device that an asset is, as it is now. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { DeviceDetail } from '../../api/types';
import { HealthBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { Age } from '../../ui/time-text';
import type { Asset } from '../assets/types';

export function BoundDevice({ asset }: { asset: Asset }) {
  const { t } = useTranslation('assets');
  const { data } = useQuery({
    queryKey: ['device', asset.device],
    queryFn: () => api.get<DeviceDetail>(`/devices/${encodeURIComponent(asset.device ?? '')}`),
    enabled: asset.device !== null,
  });
  return (
    <Panel title={t('device')}>
      {asset.device === null && <span className="k-dim">{t('unboundText')}</span>}
      {data && (
        <div>
          <HealthBadge health={data.health} /> <Age ms={data.health.time_ms} site={data.site} />
          <div>
            <AppLink to={`/devices/${data.id}`}>{data.label}</AppLink>{' '}
            <span className="k-dim">
              {data.agent} · {data.key}
            </span>
          </div>
        </div>
      )}
    </Panel>
  );
}
